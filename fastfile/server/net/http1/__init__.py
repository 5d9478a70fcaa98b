"""HTTP/1 over a connection."""
