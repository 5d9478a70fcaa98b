"""The steps of a site: from a target to what answers it, in the order of ``lookup.py``."""
