"""What a run drew last, as a small picture: in the gallery of checkpoints, and beside the name of a run."""

from typing import Any

import streamlit as st

from genmodels.images import dots, png, tile
from genmodels.runs.store import Run
from pages._ui.shared.run_cache import newest_of

__all__ = ["newest_samples"]


def newest_samples(run: Run) -> None:
    """The first of its newest samples; nothing before it drew any."""
    if picture := newest_of(run, _drawn):
        st.image(picture, width=150, alt=f"samples of {run.title}")


def _drawn(samples: Any) -> bytes:
    if samples.ndim == 4:
        return png(tile(samples[:16])[..., :3])
    return png(dots(samples, 1.05 * float(abs(samples).max()) + 1e-6, 230))
