"""Middleware: checks and edits around the handler."""
