"""The four priors beside each other, each over what was encoded under it: as shipped, or trained here, through time."""

from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.errors import BadInput
from genmodels.files import read_json
from genmodels.instruments.vae.prior import aggregate
from genmodels.jobs import queue
from genmodels.runs import store
from genmodels.runs.store import Run
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.vae.geometry import density_of_z

__all__ = ["apart", "four_priors", "map_of_z"]

PRIORS = ("normal", "mixture", "vamp", "flow")
SHIPPED = "vae-mnist-2d-"  # and the prior: the report's four, trained once
EVERY = 3.0  # seconds between two looks at four that are going
SIDE = 80  # cells of a map


def map_of_z(run: str, step: int | None, key: str) -> dict[str, Any] | None:
    """Prior and aggregate posterior of a run, the same wherever they are shown; None while they are not there."""
    return answer(aggregate, key=key, at_once=True, run=run, step=step, side=SIDE)


def apart(found: dict[str, Any]) -> str:
    """How far prior and aggregate posterior are apart, in words."""
    kl, error = found["kl"]
    return f"KL(q(z) ‖ p(z)) = {kl:.3f} ± {error:.3f} nats"


def four_priors(moment: Moment) -> None:
    """The same model under each prior."""
    st.caption(
        "The same data, networks, settings and seed; only p(z) differs. Green: the prior, stronger with the cube root "
        "of its density. Dots: where the encoder puts test examples, in the colours of their labels. A prior that fits "
        "covers the dots and nothing else."
    )
    if st.button("Train the four priors with this run's settings", key="four", type="primary"):
        try:
            _train(moment.run)
        except BadInput as error:
            st.error(str(error))
    own = _siblings(moment.run)
    if own:
        going = any(run.state().status.is_going for run in own.values())
        st.fragment(_through_time, run_every=EVERY if going else None)(moment.run, going)
    else:
        _shipped()


def _shipped() -> None:
    """The four that come with the app."""
    st.caption("Shown: the report's four on MNIST, 20 epochs each, which come with the app.")
    known = {run.id: run for run in store.bundled()}
    for row in (PRIORS[:2], PRIORS[2:]):
        for prior, place in zip(row, st.columns(2), strict=True):
            run = known.get(SHIPPED + prior)
            if run is None:
                continue
            with place:
                found = map_of_z(run.id, None, f"shipped-{prior}")
                if found is None:
                    continue
                measures = read_json(run.path / "measures.json")
                exact = f", log p(x) = {measures['log_prob_nats']:.2f}" if "log_prob_nats" in measures else ""
                _map(found, f"{prior}: ELBO {measures['elbo_nats']:.2f}{exact} nats", f"shipped-{prior}")
                st.page_link(f"pages/models/{run.plan.model}.py", label="Open it", query_params={"run": run.id})


# Trained here ---


def _title(run: Run, prior: str) -> str:
    return f"{run.id[-6:]} prior {prior}"


def _siblings(run: Run) -> dict[str, Run]:
    """The newest run of each prior that was made from this one."""
    known = {one.title: one for one in reversed(store.every())}
    return {prior: known[_title(run, prior)] for prior in PRIORS if _title(run, prior) in known}


def _train(run: Run) -> None:
    plan = run.plan
    queue.pool()
    queue.check_room(len(PRIORS))
    for prior in PRIORS:
        made = store.create(
            plan.model,
            plan.data,
            arguments=plan.arguments | {"prior": prior, "latent_dim": 2},
            settings=plan.settings,
            data_arguments=plan.data_arguments,
            title=_title(run, prior),
        )
        queue.submit(made)


def _through_time(run: Run, going: bool) -> None:
    """The 2 × 2 figure at any snapshot; without a choice, at the newest of each."""
    found = _siblings(run)
    if any(one.state().status.is_going for one in found.values()) != going:
        st.rerun(scope="app")
    steps = sorted({step for one in found.values() for step in one.snapshots()})
    if not steps:
        st.caption("The maps come with the first snapshot.")
        return
    at = steps[-1]
    if len(steps) > 1 and not going:
        at = st.select_slider("step", steps, steps[-1], key=f"four-at-{run.id}", format_func="{:,}".format)
    for row in (PRIORS[:2], PRIORS[2:]):
        for prior, place in zip(row, st.columns(2), strict=True):
            if prior in found:
                with place:
                    _one(found[prior], prior, at)


def _one(run: Run, prior: str, at: int) -> None:
    state, steps = run.state(), [step for step in run.snapshots() if step <= at]
    if state.status.is_going:
        run.seen()
    if not steps:
        st.caption(f"{prior}: {state.status}, no snapshot yet.")
        return
    before = [row["elbo"] for row in run.metrics() if row["step"] <= steps[-1]]
    elbo = f", ELBO {before[-1]:.2f} nats" if before else ""
    title = f"{prior}: {state.status}, step {steps[-1]:,}{elbo}"
    if seen := map_of_z(run.id, steps[-1], f"four-{prior}"):
        _map(seen, title, f"four-{prior}")


def _map(found: dict[str, Any], title: str, key: str) -> None:
    labels = np.asarray(found["labels"])
    clouds = [
        figures.Points(str(i), found["mu"][labels == i], figures.CLASSES[int(i) % 10], size=3)
        for i in np.unique(labels)
    ]
    left, right, bottom, top = (float(edge) for edge in found["extent"])
    values = np.cbrt(found["prior"])  # a prior of sharp peaks has faint ones too
    figure = density_of_z(
        values, (left, right, bottom, top), unit="∛ density", title=title, color=figures.LATENT, over=clouds
    )
    figure.update_traces(showscale=False, selector={"type": "heatmap"})
    plot(figure.update_layout(showlegend=False, height=380), key=key)
    st.caption(f"{apart(found)} between the encoded test set and the prior.")
