"""Write what `requirements.txt` pins into locks, with all that it requires and the hash of each file: ``make lock``.

Two files, because PyTorch comes in two builds. `requirements-torch.lock` has the one with CUDA and the libraries of
NVIDIA that it alone requires. `requirements.lock` has everything else, so that with a build of PyTorch that was had
elsewhere (TORCH_INDEX) nothing more is needed. Both hold for every platform and for Python 3.11 and newer.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REST, TORCH = "requirements.lock", "requirements-torch.lock"
OF_TORCH = re.compile(r"torch|torchvision|triton|nvidia-.*|cuda-.*")
ABOUT = {
    REST: "All that requirements.txt requires but PyTorch, with hashes.",
    TORCH: "PyTorch with CUDA and what it alone requires, with hashes; the rest is in requirements.lock.",
}


def compiled() -> str:
    """The whole lock: each line a package's version and where it applies, then its hashes, then who requires it."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "requirements.txt", "--universal", "--upgrade", "--quiet"]
    command += ["--python-version=3.11", "--generate-hashes", "--no-header", "--no-emit-index-url"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def packages(text: str) -> list[tuple[str, str]]:
    """The packages of a lock: the name of each, and all of its lines."""
    parts = re.findall(r"^\S.*\n(?:[ \t].*\n)*", text, re.MULTILINE)
    return [(re.split(r"[=\[; ]", part, maxsplit=1)[0], part) for part in parts if not part.startswith("#")]


def main() -> None:
    """Write both."""
    found = packages(compiled())
    for name, about in ABOUT.items():
        parts = [part for package, part in found if bool(OF_TORCH.fullmatch(package)) == (name == TORCH)]
        (ROOT / name).write_text(f"# {about}\n# Made by `make lock`: do not edit.\n" + "".join(parts))
        print(f"{name}: {len(parts)} packages")


if __name__ == "__main__":
    main()
