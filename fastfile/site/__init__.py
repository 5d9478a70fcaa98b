"""Sites: from a request to a response."""
