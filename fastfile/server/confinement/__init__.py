"""What a worker gives up: its user, the files outside the site, and most system calls."""
