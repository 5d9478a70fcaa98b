"""The server's side of the follower: the process that keeps a local folder equal to the current release."""
