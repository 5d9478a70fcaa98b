"""What proxies add and change: RFC 9110 §3.7 calls them intermediaries."""
