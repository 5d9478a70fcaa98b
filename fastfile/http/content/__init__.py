"""Properties of a representation (RFC 9110 section 8): media type, coding, disposition, hash in its name."""
