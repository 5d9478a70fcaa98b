"""Every setting: the table of options, the kinds of value, and reading them from all sources."""
