"""Releases in a store: the objects, how they are written, and how they are read."""
