"""``fastfile cert``: the local CA, certificates of it, and the stores that trust it."""
