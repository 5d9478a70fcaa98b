"""fastfile's benchmarks: `python -m benchmarks` compares servers, `pytest benchmarks/` times fastfile's parts."""
