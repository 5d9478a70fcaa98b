"""HTTP/1 connections."""
