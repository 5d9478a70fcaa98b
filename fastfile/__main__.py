"""``python -m fastfile`` is the command ``fastfile``."""

import sys

from fastfile.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
