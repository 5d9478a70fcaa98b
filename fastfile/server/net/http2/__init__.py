"""HTTP/2 over a connection."""
