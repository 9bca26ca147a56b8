"""``genmodels app``: the pages, from a checkout or from what an installed package carries."""

import argparse
import importlib.util
import os
import subprocess
import sys

from genmodels.errors import BadInput
from genmodels.files import BUNDLE, root

__all__ = ["app"]


def app(arguments: argparse.Namespace) -> int:
    """Open the app in a browser."""
    if importlib.util.find_spec("streamlit") is None:
        raise BadInput('The pages need streamlit: pip install "genmodels[app]" brings it.')
    environment = {**os.environ, "GENMODELS_RUNS": str(root())}  # of here, not of where the pages are
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.showEmailPrompt=false"]
    command += ["--server.port", str(arguments.port), "--server.address", arguments.address]
    try:
        return subprocess.run(command, cwd=BUNDLE, env=environment, check=False).returncode
    except KeyboardInterrupt:  # the server has had it too, and has ended
        return 0
