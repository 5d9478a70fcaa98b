"""The listing of a folder as a page, JSON or text, and the folder as a zip."""
