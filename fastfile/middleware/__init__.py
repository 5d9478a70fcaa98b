"""What wraps the handler."""
