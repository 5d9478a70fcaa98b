"""Sockets, clocks and processes. Treats a handler as a function from a head to a response."""
