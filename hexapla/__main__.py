"""`python -m hexapla` and the `hexapla` command."""

import sys

from hexapla.cli.app import main


def entry() -> None:
    """Run the command line and exit with its status."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
