"""The pattern languages of deploy files."""
