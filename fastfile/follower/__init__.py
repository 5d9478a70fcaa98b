"""The follower: the process of a replica that keeps a local folder equal to the current release of a store."""
