"""`fastfile check`."""
