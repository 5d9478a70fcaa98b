"""--proxy: connections to upstreams, and what is relayed through them."""
