"""HTTP/2 on the wire: frames, header compression, flow control, streams; RFC 9113, 7541 and 9218. No I/O."""
