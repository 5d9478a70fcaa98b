"""The threads of disks that can hang (--remote-disk), and deadlines for what they do (--disk-timeout)."""
