"""Posterior collapse, made to happen and cured: what each latent dimension says, and four trainings side by side."""

import contextlib
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.errors import BadInput
from genmodels.instruments.vae import collapse as instruments
from genmodels.jobs import queue
from genmodels.models.vae import VAE
from genmodels.runs import store
from genmodels.runs.record import State, Status
from genmodels.runs.store import Run
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot

__all__ = ["collapse"]

SILENT = 0.2  # nats, to which the scale of a KL reaches at least
EVERY = 2.0  # seconds between two looks at the four
PRESET = "Posterior collapse (see it happen)"
KEY = "cures"  # in the URL: the runs' ids in the order of CURES, nothing where there is none
COLORS = dict(zip(instruments.CURES, figures.RUNS, strict=False))


@st.cache_data(max_entries=64, show_spinner=False)
def _usage(moment: Moment) -> instruments.Usage:
    return instruments.usage(moment.model, moment.data)


def collapse(moment: Moment) -> None:
    """This model's dimensions, then the cures."""
    found = _usage(moment)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        plot(_bars(found), key="usage")
    with right:
        _words(found)
        if st.button("Make it happen", key="make-collapse", help=f"Trains the preset *{PRESET}* and shows it here."):
            _happen()
    st.markdown("##### Cures, everything else the same")
    st.caption(
        "The data, networks, settings and seed are those of the run above; only what a button names differs. "
        "The ELBO below is always the plain one, β = 1 and no free bits, so that the four compare."
    )
    _buttons(moment.run)
    known = _known()
    if known:
        going = any(run.state().status.is_going for run in known.values())
        st.fragment(_side_by_side, run_every=EVERY if going else None)(going)


def _bars(found: instruments.Usage, title: str = "KL(q(zⱼ | x) ‖ p(zⱼ))", height: int = 300) -> go.Figure:
    whole = len(found.kl) < found.latent_dim  # a flow prior's dimensions cannot be told apart
    names = ["all"] if whole else [str(i + 1) for i in range(len(found.kl))]
    values = dict(zip(names, found.kl.tolist(), strict=True))
    figure = figures.bars(values, title=title, x_title="dimension, sorted", y_title="nats", color=figures.LATENT)
    top = max(1.05 * float(found.kl.max()), SILENT)  # what is nearly nothing looks like nothing
    return figure.update_yaxes(range=[0, top]).update_layout(height=height)


def _words(found: instruments.Usage) -> None:
    a, b = st.columns(2)
    a.metric("active dimensions", f"{found.active} of {found.latent_dim}")
    b.metric("ELBO", f"{found.elbo_nats:.2f} nats", f"± {found.elbo_nats_se:.2f}", delta_color="off", delta_arrow="off")
    st.caption(
        "A dimension has collapsed where q(zⱼ | x) is the prior whatever x is: its KL is 0, its posterior mean stands "
        "still (variance under 0.01), and the decoder ignores it. It happens early: while the decoder does not listen, "
        "the KL is all that there is to gain; and once q is the prior, there is nothing to hear."
    )


# The trainings ---


def _train(plans: list[dict[str, Any]]) -> list[Run]:
    """Put runs into the queue; what does not go is said."""
    queue.pool()
    made = []
    try:
        queue.check_room(len(plans))
        for plan in plans:
            run = store.create(**plan)
            queue.submit(run)
            made.append(run)
    except BadInput as error:
        st.error(str(error))
    return made


def _happen() -> None:
    preset = next(one for one in VAE.presets if one.title == PRESET)
    plan = {"model": "vae", "data": preset.data, "arguments": preset.model, "settings": preset.training}
    for run in _train([plan | {"title": preset.title}]):
        st.query_params["run"] = run.id
        st.rerun()


def _buttons(run: Run) -> None:
    """One for all of the cures, and one for each."""
    wanted = instruments.cures(run.plan)
    with st.container(horizontal=True, gap="small"):
        chosen = list(wanted) if st.button("Train all four", type="primary", key="cure-all") else []
        for name in wanted:
            if st.button(name, key=f"cure-{name}", help=instruments.CURES[name][1]):
                chosen = [name]
    if not chosen:
        return
    made = _train([wanted[name] for name in chosen])
    known = {name: one.id for name, one in _known().items()} | {
        name: one.id for name, one in zip(chosen, made, strict=False)
    }
    if made:
        st.query_params[KEY] = ",".join(known.get(name, "") for name in instruments.CURES)
        st.rerun()


def _known() -> dict[str, Run]:
    """The runs of the link, by the name of the cure; those that are there no more are left out."""
    found = {}
    for cure, name in zip(instruments.CURES, st.query_params.get(KEY, "").split(","), strict=False):
        with contextlib.suppress(BadInput):
            found[cure] = store.find(name)
    return found


def _side_by_side(going: bool) -> None:
    """A column a cure, and the KL of all over the steps."""
    known = _known()
    states = {cure: run.state() for cure, run in known.items()}
    if any(state.status.is_going for state in states.values()) != going:
        st.rerun(scope="app")
    for place, (cure, run) in zip(st.columns(len(known), gap="small"), known.items(), strict=True):
        with place:
            _one(cure, run, states[cure])
    rows = {cure: run.metrics() for cure, run in known.items()}
    lines = [
        figures.Curve(cure, np.array([row["step"] for row in some]), [row["kl"] for row in some], COLORS[cure])
        for cure, some in rows.items()
        if some
    ]
    if lines:
        figure = figures.curves(lines, title="KL(q(z | x) ‖ p(z)) as they learn", x_title="step", y_title="nats")
        plot(figure, key="cures-kl")


def _one(cure: str, run: Run, state: State) -> None:
    st.page_link("pages/models/vae.py", label=f"**{cure}**", query_params={"run": run.id})
    st.progress(state.progress, f"{state.status} · step {state.step:,}")
    if state.status is Status.FAILED:
        st.warning(state.message)
    steps = run.snapshots()
    if not steps:
        return
    if state.status.is_going:
        run.seen()
    found = _usage(Moment.of(run, steps[-1]))
    st.metric("active dimensions", f"{found.active} of {found.latent_dim}")
    st.metric(
        "ELBO, β = 1",
        f"{found.elbo_nats:.2f} nats",
        f"± {found.elbo_nats_se:.2f}",
        delta_color="off",
        delta_arrow="off",
    )
    plot(_bars(found, "", 190), key=f"cure-kl-{cure}", displayModeBar=False)
    st.caption(instruments.CURES[cure][1])
