"""genmodels: an open laboratory of deep generative models.

The library trains, samples and measures the models; it knows nothing of the screen.
Importing it is cheap: torch is imported by the modules that compute.
"""

import sys

__version__ = "0.1.0"

if sys.platform == "win32":  # processes agree by locks that Windows does not have
    raise SystemExit(
        "genmodels runs on Linux and macOS; on Windows use it within WSL: https://learn.microsoft.com/windows/wsl/install"
    )
