"""``python -m fastfile.follower``: the program that a server starts; it takes its orders from the server's socket."""

import sys

from fastfile.follower.process import main

sys.exit(main(sys.argv))
