"""fastfile's benchmarks: `python -m benchmarks` measures it beside its peers, `pytest benchmarks/` its parts."""
