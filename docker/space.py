"""Assemble exactly the folder that is pushed to a Space: ``python docker/space.py dist/space`` (``make space``)."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    "app.py",
    "pages",
    "genmodels",
    "checkpoints",
    "experiments",
    "docker/install.sh",
    "requirements.txt",
    "requirements.lock",
    "requirements-torch.lock",
    ".streamlit/config.toml",
    "Dockerfile",
    ".dockerignore",
    "LICENSE",
)
CARD = """---
title: genmodels
emoji: 🔬
colorFrom: blue
colorTo: red
sdk: docker
app_port: 8501
suggested_hardware: cpu-basic
license: mit
short_description: An open laboratory of deep generative models
tags:
  - generative-model
  - vae
  - gan
  - diffusion
pinned: false
---

"""


def files() -> list[str]:
    """What git tracks of ``PARTS``: no caches, no runs, nothing that somebody left there."""
    command = ["git", "ls-files", "-z", "--", *PARTS]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def readme() -> str:
    """The front matter that the Hub reads, then what README.md says before its first section."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## ")[0].splitlines()
    return CARD + "\n".join(line for line in lines if not line.startswith("![")).strip() + "\n"


def assemble(folder: Path, index: str = "") -> int:
    """Write the folder anew; returns its bytes.

    Args:
        folder: Where to; what lies there goes, if it was assembled before.
        index: PyTorch's own index for CPUs, for CPU hardware.
    """
    if folder.exists():
        if not (folder / "Dockerfile").exists() and any(folder.iterdir()):
            raise SystemExit(f"{folder} holds something else: choose a new folder.")
        shutil.rmtree(folder)
    for name in files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "README.md").write_text(readme(), encoding="utf-8")
    recipe = folder / "Dockerfile"
    default = 'ARG TORCH_INDEX=""'
    text = recipe.read_text(encoding="utf-8")
    assert text.count(default) == 1
    recipe.write_text(text.replace(default, f'ARG TORCH_INDEX="{index}"'), encoding="utf-8")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Assemble, then say how large it is and how to push it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--index", default=os.environ.get("TORCH_INDEX", ""), help="PyTorch's own index for CPUs")
    arguments = parser.parse_args()
    size, count = assemble(arguments.folder, arguments.index), len(files()) + 1
    print(f"{arguments.folder}: {count} files, {size / 1e6:.1f} MB, for {'CPU' if arguments.index else 'GPU'} hardware")
    if not arguments.index:
        print(
            "For CPU hardware: make space TORCH_INDEX=<the index for CPUs that pytorch.org/get-started names>, or set "
            "the Space's variable TORCH_INDEX to it.",
            file=sys.stderr,
        )
    print(f"Push it:  hf upload --type space OWNER/NAME {arguments.folder} . --delete '*'")


if __name__ == "__main__":
    main()
