"""The disk: the only package that opens, stats or lists what is served."""
