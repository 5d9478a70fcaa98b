"""RFC rules as pure functions over values: no I/O, no clock, nothing of the layers below."""
