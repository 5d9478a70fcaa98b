"""``fastfile cert``: the local CA, certificates that it signs, and the stores that trust it."""
