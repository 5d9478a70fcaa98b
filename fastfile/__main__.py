"""``python -m fastfile`` and the command ``fastfile``."""

import sys

from fastfile.server import signals


def main() -> int:
    """Run the command line; SIGHUP and SIGUSR1 wait for the server, also during the imports."""
    signals.hold()
    from fastfile.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
