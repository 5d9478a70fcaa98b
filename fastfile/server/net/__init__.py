"""Sockets: binding, accepting, readiness, connections."""
