"""Posterior collapse, made to happen and cured: what each latent dimension says, and four trainings side by side."""

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.vae.collapse import CURES, Usage, cures, usage
from genmodels.models.vae import VAE
from genmodels.runs.store import Run
from genmodels.text import number
from pages._ui.page.shown import to_refill
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import nats
from pages._ui.views.common.side_by_side import curves, side_by_side, start

__all__ = ["collapse", "dimensions_used"]

LEAST_TOP = 0.2  # nats, to which the axis of a KL reaches at least
PRESET = "Posterior collapse (see it happen)"


def collapse(moment: Moment) -> None:
    """This model's dimensions, then the cures."""
    used = seen(usage, moment)
    left, right = st.columns([3, 2], gap="medium")
    plot(dimensions_used(used), key="usage", place=left)
    with right:
        _words(used)
        if st.button("Make it happen", key="make-collapse", help=f"Trains the preset *{PRESET}* and shows it here."):
            _happen()
    concluded(used.conclusion())
    st.markdown("##### Cures, everything else the same")
    st.caption(
        "The data, networks, settings and seed are those of the run above; only what a button names differs. "
        "The ELBO below is always the plain one, β = 1 and no free bits, so that the four compare."
    )
    side_by_side(
        cures(moment.run.plan),
        _one,
        key="cures",
        all_of_them="Train all four",
        each={name: about for name, (_, about) in CURES.items()},
        below=_kl_curves,
    )


def dimensions_used(used: Usage, title: str = "KL(q(zⱼ | x) ‖ p(zⱼ))", height: int = 300) -> go.Figure:
    """The KL of each latent dimension as bars, the largest first."""
    order = used.kl.argsort()[::-1].tolist()
    names = ["all together"] if len(order) < used.latent_dim else [f"z{i + 1}" for i in order]
    values = dict(zip(names, used.kl[order].tolist(), strict=True))
    figure = figures.bars(values, title=title, x_title="dimension, sorted", y_title="nats", color=figures.LATENT)
    top = max(1.05 * float(used.kl.max()), LEAST_TOP)  # what is nearly nothing looks like nothing
    return figure.update_yaxes(range=[0, top]).update_layout(height=height)


def _words(used: Usage) -> None:
    a, b = st.columns(2)
    a.metric("active dimensions", f"{used.active} of {used.latent_dim}")
    nats("ELBO", used.elbo_nats, f"± {number(used.elbo_nats_se, 2)}", place=b)
    if used.fixed is not None:
        st.caption(
            "Of fixed width, q is not the prior even where a dimension says nothing: its KL tells no collapse. It has "
            "collapsed where its posterior mean stands still (variance under 0.01)."
        )
        return
    st.caption(
        "A dimension has collapsed where q(zⱼ | x) is the prior whatever x is: its KL is 0, its posterior mean stands "
        "still (variance under 0.01), and the decoder ignores it. It happens early: while the decoder does not listen, "
        "the KL is all that there is to gain; and once q is the prior, there is nothing to hear."
    )


# The trainings ---


def _happen() -> None:
    preset = next(one for one in VAE.presets if one.title == PRESET)
    plan = {"model": "vae", "data": preset.data, "arguments": preset.model, "settings": preset.training}
    for run in start({PRESET: plan | {"title": preset.title}}).values():
        to_refill("vae")
        st.query_params["run"] = run.id
        st.rerun()


def _kl_curves(runs: Mapping[str, Run]) -> None:
    curves(runs, {"kl": "nats"}, key="cures-kl", title="KL(q(z | x) ‖ p(z)) as they learn")


def _one(cure: str, run: Run) -> None:
    used = seen(usage, Moment.of(run, run.snapshots()[-1]))
    st.metric("active dimensions", f"{used.active} of {used.latent_dim}")
    nats("ELBO, β = 1", used.elbo_nats, f"± {number(used.elbo_nats_se, 2)}", place=st)
    plot(dimensions_used(used, "", 240), key=f"cure-kl-{cure}", displayModeBar=False)
    if cure in CURES:
        st.caption(CURES[cure][1])
