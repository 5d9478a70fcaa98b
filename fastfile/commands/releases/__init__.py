"""The commands for releases in a store: publish, releases, rollback, prune."""
