"""`fastfile compress`."""
