"""Wire formats: what turns bytes into requests, and responses into bytes."""
