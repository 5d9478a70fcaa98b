"""The disk: the only package that opens, stats or lists. Knows nothing of HTTP messages."""
