"""``python -m genmodels``: see :mod:`genmodels.cli`."""

import sys

from genmodels import allocator
from genmodels.cli import main

if __name__ == "__main__":
    if {"train", "resume"} & set(sys.argv[1:2]):
        allocator.restart()
    sys.exit(main())
