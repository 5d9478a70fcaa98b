"""The pattern languages of rule files."""
