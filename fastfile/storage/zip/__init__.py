"""The zip of a folder, written while it is sent."""
