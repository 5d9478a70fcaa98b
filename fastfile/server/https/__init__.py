"""The certificates of a server: read, made, renewed and watched in the supervisor."""
