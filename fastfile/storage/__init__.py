"""The disk: the only package that opens, stats or lists served files."""
