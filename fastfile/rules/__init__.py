"""The deploy files of a build: what they say, read into values, and when they are read again."""
