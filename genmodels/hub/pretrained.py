"""A model from the Hub, or from a folder, in one line: ``from_pretrained("owner/repository")``."""

from pathlib import Path

import torch

from genmodels.hub import client
from genmodels.models.base import GenerativeModel, load, weigh

__all__ = ["from_pretrained"]


def from_pretrained(
    source: str, *, revision: str | None = None, subfolder: str = "", device: torch.device | str = "cpu"
) -> GenerativeModel:
    """The model saved in the folder ``source``, or else on the Hub, in evaluation mode.

    Args:
        source: A folder; or ``owner/repo``, or ``hf://owner/repo[@revision][/subfolder]``.
        revision: A branch, a tag or a commit on the Hub.
        subfolder: The folder within the repository.
        device: Where to put it.

    Raises:
        BadInput: If there is no model, or its files are not what they should be.
    """
    folder = Path(source)
    if not folder.is_dir() and (source.startswith("hf://") or source.count("/") == 1):
        folder = client.fetch(client.Place.parse(source, revision=revision, subfolder=subfolder), weigh)
    return load(folder, device=device)
