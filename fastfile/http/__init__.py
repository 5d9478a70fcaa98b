"""The rules of RFC 9110 and RFC 9111 as pure functions over values: no I/O, no clock, no Config."""
