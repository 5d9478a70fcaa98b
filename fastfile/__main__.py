"""``python -m fastfile`` and the command ``fastfile``."""

import gc
import sys

from fastfile.server import signals


def main() -> int:
    """Run the command line; SIGHUP and SIGUSR1 wait for the server, also during the imports."""
    signals.hold()
    # Imports leave few cycles, and looking for them is a twentieth of a start. A server (serve.py) or a command
    # (cli/main.py) turns collection on.
    gc.disable()
    try:
        from fastfile.cli.main import main as run

        return run()
    except KeyboardInterrupt:  # during the imports; later ones are the command's
        return 130


if __name__ == "__main__":
    sys.exit(main())
