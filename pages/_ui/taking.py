"""What of a run can be taken home: made when it is asked for."""

from collections.abc import Callable

import streamlit as st

from genmodels import keepsakes, take_home
from genmodels.data import info
from genmodels.runs import Run

__all__ = ["taking"]


@st.dialog("Take home")
def taking(run: Run) -> None:
    """A button for each: all in one zip, a script and a notebook that train it again, films of its training."""
    plan = run.plan
    _button("Everything, as a zip", run, "zip", lambda: keepsakes.zipped(run))
    why = take_home.hindrance(run)
    st.caption(why or "One file that trains this run again with the library, and says in comments what it does:")
    if not why:
        _button("Python script", run, "py", lambda: take_home.script(run))
        _button("Notebook", run, "ipynb", lambda: take_home.notebook(run))
    if run.snapshots() and (run.path / "samples.npy").exists():
        st.caption("Films, a frame a snapshot:")
        _button("Samples, as a GIF", run, "gif", lambda: keepsakes.film(run))
    if plan.model == "vae" and plan.arguments.get("latent_dim") == 2 and _is_of_images(run):
        _button("Latent manifold, as a GIF", run, "manifold.gif", lambda: keepsakes.manifold(run))
    if plan.arguments.get("network", "").startswith("unet2d"):
        st.caption("For diffusers' DDPMPipeline.from_pretrained, once it is unpacked:")
        _button("Pipeline, as a zip", run, "pipeline.zip", lambda: keepsakes.pipeline(run))


def _is_of_images(run: Run) -> bool:
    return info(run.plan.data).kind == "images"


def _button(label: str, run: Run, kind: str, make: Callable[[], bytes | str]) -> None:
    name = f"{run.id}.{kind}"
    st.download_button(label, make, name, key=f"take-{kind}-{run.id}", on_click="ignore", width="stretch")
