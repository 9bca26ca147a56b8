"""What of a run can be taken home: made when it is asked for."""

from collections.abc import Callable

import streamlit as st

from genmodels.export import code, media
from genmodels.host import ownership
from genmodels.host.limits import is_shared, limit
from genmodels.host.turns import Turns
from genmodels.instruments.codes import has_map
from genmodels.runs.store import Run
from pages._ui.page.time_machine import has_weights

__all__ = ["taking"]


PATIENCE = 20.0  # seconds
_turns = Turns(lambda: limit("MAX_FILES"), "file to take home that is being made")


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
        st.caption("Films, one frame per snapshot:")
        _button("Samples, as a GIF", run, "gif", lambda: media.film(run))
    if has_weights(run) and has_map(run.model()):
        _button("Latent map, as a GIF", run, "manifold.gif", lambda: media.manifold(run))
    if plan.arguments.get("network", "").startswith("unet2d"):
        st.caption("For diffusers' DDPMPipeline.from_pretrained, once it is unpacked:")
        _button("Pipeline, as a zip", run, "pipeline.zip", lambda: media.pipeline(run))


def _button(label: str, run: Run, kind: str, make: Callable[[], bytes | str]) -> None:
    """Made when it is clicked, in its turn: a zip is as large in the server's memory as the run is on the disk."""
    name, who = f"{run.id}.{kind}", ownership.visitor()

    def made() -> bytes | str:
        with _turns.taken(who, PATIENCE):
            return make()

    most = f"This host makes {limit('MAX_FILES'):.0f} files at once, and one of each visitor: else try again soon."
    help_ = most if is_shared() else None
    st.download_button(label, made, name, key=f"take-{kind}-{run.id}", on_click="ignore", width="stretch", help=help_)
