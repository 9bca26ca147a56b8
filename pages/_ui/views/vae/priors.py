"""The prior of a VAE over what was encoded under it; and four priors beside each other, shipped or trained here."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.files import read_json
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.vae import denoising
from genmodels.instruments.vae.geometry import aggregate, compared, conclusion
from genmodels.runs import store
from genmodels.runs.store import Run
from genmodels.text import number
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import by_class, pictures
from pages._ui.views.common.side_by_side import side_by_side
from pages._ui.views.vae.geometry import density_of_z

__all__ = ["denoised_prior", "four_priors", "prior_and_posterior"]

PRIORS = ("normal", "mixture", "vamp", "flow")
SHIPPED = "vae-mnist-2d-"  # and the prior
SIDE = 80  # cells of a map
SETTLED = {"latent_dim": 2, "gradient": "reparametrization"}  # a score function's gradient knows one prior alone
Known = tuple[float, float]  # KL(q(z) ‖ p(z)) in nats, and its standard error


def prior_and_posterior(moment: Moment) -> None:
    """The prior, the aggregate posterior and their difference, on one scale."""
    maps = _map_of_z(moment.id, moment.step, "aggregate")
    if maps is None:
        return
    st.caption(
        "Samples are decoded from the prior; the decoder has learned from the aggregate posterior. Where they differ, "
        f"it is asked what it never saw: {_apart(maps)} between all {len(moment.data.test):,} encoded test examples "
        "and the prior. Colours follow the cube root of the density. Dots: where the encoder puts some of them."
    )
    p, q, extent = np.cbrt(maps["prior"]), np.cbrt(maps["posterior"]), tuple(maps["extent"].tolist())
    dots = by_class(maps["mu"], maps["labels"], moment.data.classes or ("test examples",))
    title, unit = "Prior p(z) and encoded test set", "∛ density"
    prior = density_of_z(p, extent, title=title, color=figures.LATENT, unit=unit, over=dots)
    posterior = density_of_z(q, extent, title="Aggregate posterior q(z)", color=figures.POSTERIOR, unit=unit)
    for figure in (prior, posterior):
        figure.update_traces(zmax=float(max(p.max(), q.max())), selector={"type": "heatmap"})
    gap = figures.signed(q - p, extent, title="∛q(z) − ∛p(z)", unit=unit, x_title="z₁", y_title="z₂")
    for place, key, figure in zip(st.columns(3), ("prior", "posterior", "gap"), (prior, posterior, gap), strict=True):
        figure.update_traces(showscale=False, selector={"type": "heatmap"}).update_layout(showlegend=False, height=340)
        plot(figure, key=f"density-{key}", place=place)
    concluded(conclusion(maps))


def _map_of_z(run: str, step: int | None, key: str) -> Arrays | None:
    """Prior and aggregate posterior of a run, the same wherever they are shown; None while they are not there."""
    return answer(aggregate, key=key, at_once=True, run=run, step=step, side=SIDE)


def _apart(maps: Arrays) -> str:
    """How far prior and aggregate posterior are apart, in words."""
    kl, error = maps["kl"]
    return f"KL(q(z) ‖ p(z)) = {number(kl)} ± {number(error, 2)} nats"


def denoised_prior(moment: Moment) -> None:
    """Codes on their way from noise to the prior, and what they would stand for."""
    film = answer(denoising.denoised, moment=moment, key="denoised", at_once=True)
    if film is None:
        return
    half = 1.15 * max(float(np.quantile(np.abs(one), 0.999)) for one in (film["z"], film["mu"]))
    with st.container(horizontal=True, gap="small"):
        for i, (z, sigma) in enumerate(zip(film["z"], film["sigma"], strict=True)):
            drawn = figures.Points(
                "drawn codes", np.pad(z, ((0, 0), (0, 1)))[:, :2], figures.LATENT, size=3, opacity=0.4
            )
            encoded = np.pad(film["mu"], ((0, 0), (0, 1)))[:, :2]
            codes = figures.Points("encoded examples", encoded, figures.POSTERIOR, size=2, opacity=0.4)
            with st.container(width=230, gap="xsmall"):
                figure = figures.points([drawn, codes], x_title="z₁", y_title="z₂", extent=(-half, half, -half, half))
                figure.update_layout(height=230, showlegend=False, margin={"l": 30, "r": 4, "t": 8, "b": 30})
                plot(figure, key=f"denoised-{i}", displayModeBar=False)
                st.caption(f"noise σₜ = {number(float(sigma), 2)}")
    if moment.model.is_image:
        caption = "Each row: what the finished code is guessed to stand for, of eight codes, at these six moments."
        columns = film["x"].shape[1]
        pictures(film["x"], columns, key="denoised-x", alt="Guesses of samples.", caption=caption, pixels=48)
    concluded(denoising.conclusion(film))


def four_priors(moment: Moment) -> None:
    """Compare one model under four priors."""
    st.caption(
        "The same data, networks, settings and seed; only p(z) differs. Green: the prior, stronger with the cube root "
        "of its density. Dots: where the encoder puts test examples, in the colours of their labels. A prior that fits "
        "covers the dots and nothing else."
    )
    st.caption(
        "Is p(z) = N(0, I) a restriction? A flexible decoder can push N(0, I) onto another prior first, so p(x) loses "
        "nothing by it; what stays Gaussian is q(z | x). The flow prior shows it: its couplings push N(0, I) onto the "
        "prior, and as far as p(x) goes they may be counted to the decoder."
    )
    kl_nats, plan = dict[str, Known](), moment.run.plan
    plans = {
        prior: store.like(plan, arguments=SETTLED | {"prior": prior}, title=f"prior {prior}, {plan.data}")
        for prior in PRIORS
    }
    shown = side_by_side(
        plans,
        lambda prior, run: _one(run, prior, st.session_state.get(f"four-at-{moment.id}"), kl_nats),
        key="priors",
        all_of_them="Train the four priors with this run's settings",
        below=lambda runs: _through_time(moment, runs, kl_nats),
        width=470,
    )
    if not shown:
        _shipped()


def _shipped() -> None:
    """The four that come with the app."""
    known, kl_nats = {run.id: run for run in store.bundled()}, dict[str, Known]()
    told = "Shown: four that come with the app, each trained on MNIST for 20 epochs."
    st.caption(told + _draws({prior: known[SHIPPED + prior] for prior in PRIORS if SHIPPED + prior in known}))
    for prior, place in zip(PRIORS, (*st.columns(2), *st.columns(2)), strict=True):
        if run := known.get(SHIPPED + prior):
            measures = read_json(run.path / "measures.json")
            exact = f", log p(x) = {number(measures['log_prob_nats'], 4)}" if "log_prob_nats" in measures else ""
            with place:
                _map(run, None, prior, f"ELBO {number(measures['elbo_nats'], 4)}{exact} nats", kl_nats)
                st.page_link(f"pages/models/{run.plan.model}.py", label="Open it", query_params={"run": run.id})
    _nearest(kl_nats)


def _draws(runs: Mapping[str, Run]) -> str:
    """What else than p(z) differs: the draws of z for a KL, which under a normal prior needs none."""
    draws = {prior: run.plan.arguments["kl_samples"] for prior, run in runs.items() if prior != "normal"}
    each = ", ".join(f"{n} under {prior}" for prior, n in draws.items())
    return (
        f" They differ in one setting more, the draws of z for each KL: {each}." if len(set(draws.values())) > 1 else ""
    )


# Trained here ---


def _through_time(moment: Moment, runs: Mapping[str, Run], kl_nats: dict[str, Known]) -> None:
    """At which snapshot they are drawn, once they stand still: at first the newest. And which is closest."""
    steps = sorted({step for run in runs.values() for step in run.snapshots()})
    if len(steps) > 1 and not any(run.state().status.is_going for run in runs.values()):
        st.select_slider("step", steps, steps[-1], key=f"four-at-{moment.id}", format_func="{:,}".format)
    _nearest(kl_nats)


def _nearest(kl_nats: dict[str, Known]) -> None:
    """Which prior is nearest to its codes, once two of them have been measured."""
    if len(kl_nats) > 1:
        concluded(compared(kl_nats))


def _one(run: Run, prior: str, at: int | None, kl_nats: dict[str, Known]) -> None:
    steps = [step for step in run.snapshots() if at is None or step <= at]
    if not steps:
        st.caption("No snapshot yet at this step.")
        return
    before = [row["elbo"] for row in run.metrics() if row["step"] <= steps[-1]]
    elbo = f", ELBO {number(before[-1], 4)} nats" if before else ""
    _map(run, steps[-1], prior, f"step {steps[-1]:,}{elbo}", kl_nats)


def _map(run: Run, step: int | None, prior: str, title: str, kl_nats: dict[str, Known]) -> None:
    """The prior of a run and what is encoded under it; how far they are apart is noted in ``kl_nats``."""
    maps = _map_of_z(run.id, step, f"four-{prior}")
    if maps is None:
        return
    kl_nats[prior] = float(maps["kl"][0]), float(maps["kl"][1])
    dots = by_class(maps["mu"], maps["labels"], [str(i) for i in range(int(maps["labels"].max()) + 1)])
    values, extent = np.cbrt(maps["prior"]), tuple(maps["extent"].tolist())  # a prior of sharp peaks has faint ones too
    title = f"{prior}: {title}"
    figure = density_of_z(values, extent, unit="∛ density", title=title, color=figures.LATENT, over=dots)
    figure.update_traces(showscale=False, selector={"type": "heatmap"})
    plot(figure.update_layout(showlegend=False, height=380), key=f"four-{prior}")
    st.caption(f"{_apart(maps)} between the encoded test set and the prior.")
