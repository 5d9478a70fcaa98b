"""Every option, by group. To add one, add a field to its group: nothing else."""
