"""The local certificate authority: a CA per user, and the certificates that it issues for local names."""
