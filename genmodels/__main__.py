"""``python -m genmodels``: see :mod:`genmodels.cli.parser`."""

import sys

from genmodels.cli.parser import main
from genmodels.host import allocator

if __name__ == "__main__":
    if {"train", "resume"} & set(sys.argv[1:2]):
        allocator.restart()
    sys.exit(main())
