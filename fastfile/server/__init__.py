"""Sockets, clocks and processes. Knows a handler only as something that turns a head into a response."""
