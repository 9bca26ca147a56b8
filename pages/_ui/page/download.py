"""What of a run can be taken home: made when it is asked for."""

from collections.abc import Callable

import streamlit as st

from genmodels.data.datasets import info
from genmodels.export import code, media
from genmodels.runs.store import Run

__all__ = ["taking"]


@st.dialog("Take home")
def taking(run: Run) -> None:
    """A button for each: all in one zip, a script and a notebook that train it again, films of its training."""
    plan = run.plan
    _button("Everything, as a zip", run, "zip", lambda: media.zipped(run))
    why = code.hindrance(run)
    st.caption(why or "One file that trains this run again with the library, and says in comments what it does:")
    if not why:
        _button("Python script", run, "py", lambda: code.script(run))
        _button("Notebook", run, "ipynb", lambda: code.notebook(run))
    if run.snapshots() and (run.path / "samples.npy").exists():
        st.caption("Films, a frame a snapshot:")
        _button("Samples, as a GIF", run, "gif", lambda: media.film(run))
    if plan.model == "vae" and plan.arguments.get("latent_dim") == 2 and _is_of_images(run):
        _button("Latent manifold, as a GIF", run, "manifold.gif", lambda: media.manifold(run))
    if plan.arguments.get("network", "").startswith("unet2d"):
        st.caption("For diffusers' DDPMPipeline.from_pretrained, once it is unpacked:")
        _button("Pipeline, as a zip", run, "pipeline.zip", lambda: media.pipeline(run))


def _is_of_images(run: Run) -> bool:
    return info(run.plan.data).kind == "images"


def _button(label: str, run: Run, kind: str, make: Callable[[], bytes | str]) -> None:
    name = f"{run.id}.{kind}"
    st.download_button(label, make, name, key=f"take-{kind}-{run.id}", on_click="ignore", width="stretch")
