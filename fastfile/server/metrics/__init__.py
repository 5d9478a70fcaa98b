"""Counters, and the endpoint that shows them."""
