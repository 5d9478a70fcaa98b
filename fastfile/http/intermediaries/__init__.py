"""The fields that proxies add and change. RFC 9110 §3.7 calls proxies intermediaries."""
