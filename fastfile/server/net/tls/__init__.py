"""TLS: certificates and contexts, and the transport that encrypts over a socket."""
