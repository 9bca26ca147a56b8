"""``python -m genmodels``, and the command ``genmodels``: see :mod:`genmodels.cli.parser`."""

import sys

from genmodels.cli.parser import main
from genmodels.host import allocator
from genmodels.host.threads import sleep_while_waiting


def run() -> None:
    """Run one command, and end with its exit code."""
    if {"train", "resume"} & set(sys.argv[1:2]):
        allocator.restart()
    sleep_while_waiting()
    sys.exit(main())


if __name__ == "__main__":
    run()
