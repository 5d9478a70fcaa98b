"""Wire formats: bytes to requests, and responses to bytes."""
