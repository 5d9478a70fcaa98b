"""Rule files of a build: read into values, matched with requests, and read again when they change."""
