"""A server whose requests for /hang never end."""

from __future__ import annotations

# A request for /hang never returns in its worker.
HANGING = """
import runpy, sys
from fastfile.site.steps.lookup import Site
find = Site.find
def find_or_hang(self, target, head):
    if b"hang" in target.path:
        print("it hangs", file=sys.stderr, flush=True)
        while True:
            pass
    return find(self, target, head)
Site.find = find_or_hang
sys.argv[0] = "fastfile"
runpy.run_module("fastfile", run_name="__main__")
"""
