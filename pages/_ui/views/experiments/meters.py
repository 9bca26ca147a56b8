"""What each measure says of real pictures with a fault, and of fewer and fewer without one; how two are computed."""

from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.experiments import faults
from genmodels.experiments.faults import FAULTS, METERS, Reading
from genmodels.jobs import tasks
from genmodels.metrics.distances import frechet_distance, frechet_gaussians, kernel_sum, mmd2
from genmodels.text import number
from pages._ui.components.live_chart import Panel, Series, live_chart
from pages._ui.form.url_widgets import choice
from pages._ui.page.theory import Equations, show
from pages._ui.shared.answer import answer
from pages._ui.shared.plot import plot
from pages._ui.views.common.shapes import pictures

__all__ = ["equations", "faults_seen", "number_of_samples"]

DISTANCES: Equations = {
    frechet_distance: r"""Two sets of features become two Gaussians
        $$ \mu = \tfrac1N \sum_i x_i, \quad \Sigma = \tfrac{1}{N - 1} \sum_i (x_i - \mu)(x_i - \mu)^\top $$
        $$ N = <n> $$
        Of each set the mean and the covariance: all else that the features may be is not looked at. Of Inception's
        features what follows is the FID of the literature, here they are the judge's. Heusel et al. (2017), eq. 6.""",
    frechet_gaussians: r"""How far the two are apart
        $$ \|\mu_1 - \mu_2\|^2 + \mathrm{tr}\big(\Sigma_1 + \Sigma_2
        - 2 (\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2})^{1/2}\big) $$
        $$ \text{FID, real against real} = <fid> $$
        The square of the 2-Wasserstein distance of the two Gaussians. The product is Σ₁ Σ₂ made symmetric, with the
        same eigenvalues, so that its root is real whatever the rank. Dowson & Landau (1982).""",
    mmd2: r"""How far two sets are apart without a Gaussian
        $$ \mathrm{MMD}^2 = E[k(x, x')] + E[k(y, y')] - 2\, E[k(x, y)] $$
        $$ \text{KID, real against real} = <kid> $$
        No row is paired with itself: that makes it unbiased, 0 on average of two sets of one law, and now and then
        negative. KID is its mean over disjoint blocks of both sets. Gretton et al. (2012), eq. 3.""",
    kernel_sum: r"""The kernel
        $$ k(a, b) = \left(\frac{a^\top b}{d} + 1\right)^{3} $$
        d is the number of features. The third power sees the first three moments of the features, the Fréchet distance
        the first two. Bińkowski et al. (2018), section 4.""",
}


def faults_seen(data: str) -> None:
    """A fault, its size by a slider, what it looks like, and the response of every measure."""
    titles = {one.title: name for name, one in FAULTS.items()}
    fault = titles[choice("Fault", list(titles), next(iter(titles)), key="fault")]
    one = FAULTS[fault]
    st.caption(one.about)
    real = answer(faults.null, key=f"null-{data}", at_once=True, data=data)
    told = answer(faults.response, key=f"response-{data}-{fault}", at_once=True, data=data, fault=fault)
    if real is None or told is None:
        st.caption("Computed once for all who ask: some 150 sets of pictures are drawn, spoiled and measured.")
        return
    size = st.select_slider(
        f"Size of the fault: {one.unit}",
        one.amounts,
        one.amounts[len(one.amounts) // 2],
        format_func=lambda amount: f"{amount:g}",
        key=f"size_{fault}",
        bind="query-params",
        width=520,
    )
    at = one.amounts.index(size)
    shown = told["pictures"][at] / np.float32(255)
    alt = f"{len(shown)} pictures with the fault: {one.title.lower()}, {size:g} {one.unit}."
    pictures(shown, len(shown), key=f"spoiled-{data}-{fault}", alt=alt, pixels=56, download="")
    read = {meter: faults.reading(meter, fault, real[meter], told[meter]) for meter in METERS}
    live_chart(
        [_panel(meter, one, fault) for meter, one in read.items()],
        key=f"meters-{data}-{fault}",
        x_title=one.unit,
        marker=size,
        columns=3,
        height=240,
    )
    n = int(real["n"])
    st.caption(
        f"{n:,} pictures against {n:,} others. Orange: {faults.DRAWS} sets with the fault, their mean, lowest and "
        f"highest. Blue: the middle 95 % of {faults.NULLS} pairs of sets without a fault, and their median."
    )
    _table(data, fault, size, at, read)
    _smallest(data, real)


def _panel(meter: str, one: Reading, fault: str) -> Panel:
    amounts = FAULTS[fault].amounts
    low, middle, high = (np.full(len(amounts), value) for value in one.null)
    return Panel(
        METERS[meter][0],
        "",
        [
            Series("real pictures", amounts, middle, figures.DATA, held_out=True, low=low, high=high),
            Series("with the fault", amounts, one.mean, figures.SAMPLES, low=one.low, high=one.high),
        ],
        about=f"{METERS[meter][1].capitalize()} is better. {_worded(one, fault)}",
    )


def _worded(one: Reading, fault: str) -> str:
    if one.seen is None:
        return "Blind to this fault at every size here."
    said = f"Sees it from {one.seen:g} {FAULTS[fault].unit} on."
    return f"{said} And it says that the pictures are better than real ones." if one.fooled else said


def _table(data: str, fault: str, size: float, at: int, read: dict[str, Reading]) -> None:
    """Every measure at the size that was chosen."""
    lines: list[dict[str, Any]] = []
    for meter, one in read.items():
        low, _, high = one.null
        lines.append(
            {
                "measure": METERS[meter][0],
                f"at {size:g} {FAULTS[fault].unit}": number(float(one.mean[at])),
                "lowest": number(float(one.low[at])),
                "highest": number(float(one.high[at])),
                "real pictures, 2.5 %": number(low),
                "97.5 %": number(high),
                "sees it": one.seen is not None and 0 < one.seen <= size,
            }
        )
    st.dataframe(lines, hide_index=True, key=f"at-{data}-{fault}")


def _smallest(data: str, real: dict[str, Any]) -> None:
    """The smallest fault that each measure sees, of those faults that were measured; and a button for the others."""
    st.subheader("The smallest fault that each sees", anchor=False)
    columns = dict[str, dict[str, str]]()
    for fault, one in FAULTS.items():
        known = tasks.look(faults.response, data=data, fault=fault)
        if known is not None and known.is_done:
            told = known.answer()
            read = {meter: faults.reading(meter, fault, real[meter], told[meter]) for meter in METERS}
            columns[f"{one.title}, {one.unit}"] = {meter: _short(r) for meter, r in read.items()}
    lines = [
        {"measure": title, **{c: column[meter] for c, column in columns.items()}}
        for meter, (title, _) in METERS.items()
    ]
    st.dataframe(lines, hide_index=True, key=f"smallest-{data}")
    st.caption(
        f"From this size on {faults.POWER:.0%} of the sets lie outside the middle 95 % of real pictures; “never”: at "
        "no size that was tried; “fooled”: outside on the side that is called better. "
        "After [Naeem et al. 2020](https://arxiv.org/abs/2002.09797); that every such measure fails some check is the "
        "point of [Räisä et al. 2025](https://arxiv.org/abs/2505.22450), and "
        "[Salvy et al. 2025](https://arxiv.org/abs/2507.01761) clip density and coverage for that."
    )
    missing = [fault for fault, one in FAULTS.items() if f"{one.title}, {one.unit}" not in columns]
    if missing and st.toggle("Measure the other faults too", key="all-faults"):
        answer(faults.response, key=f"other-{data}-{missing[0]}", at_once=True, data=data, fault=missing[0])


def _short(one: Reading) -> str:
    return "never" if one.seen is None else f"{one.seen:g}{' (fooled)' if one.fooled else ''}"


def number_of_samples(data: str) -> None:
    """FID and KID of real pictures against real pictures, by how many there are."""
    told = answer(faults.bias, key=f"bias-{data}", at_once=True, data=data)
    if told is None:
        return
    n, fid, kid = told["n"], told["fid"], told["kid"]
    flat = told["expected"]
    lines = [
        figures.Band("FID, real against real", n, fid.mean(1), fid.min(1), fid.max(1), figures.SAMPLES),
        figures.Band("expected of Gaussians, to first order in 1/n", n, flat, flat, flat, figures.DATA),
    ]
    title = "FID of perfect samples"
    plot(
        figures.bands(lines, title=title, x_title="pictures in each set", y_title="FID", log_x=True, log_y=True),
        key=f"fid-{data}",
    )
    rows = [
        {
            "n": int(n[i]),
            "FID": f"{number(fid[i].mean())} ± {number(fid[i].std(ddof=1), 2)}",
            "expected": number(float(flat[i])),
            "KID": f"{number(kid[i].mean())} ± {number(kid[i].std(ddof=1), 2)}",
        }
        for i in range(len(n))
    ]
    st.dataframe(rows, hide_index=True, key=f"bias-table-{data}")
    st.caption(
        f"Both sets are real, so the distance of what they are drawn from is 0. Mean ± standard deviation of "
        f"{faults.DRAWS} pairs of sets. The FID of n samples is too large by a term in 1/n; the KID is unbiased, and "
        "varies more. So an FID says nothing without its n, and nothing below the FID of real pictures at that n."
    )


def equations(data: str) -> None:
    """The Fréchet distance and the kernel distance beside the code that runs, with what real pictures score."""
    real = answer(faults.null, key=f"null-{data}", at_once=True, data=data)
    known = {} if real is None else {name: float(np.median(real[name])) for name in ("n", "fid", "kid")}
    show((DISTANCES,), known)
    if real is not None:
        st.caption(f"The numbers are medians of {len(real['fid'])} pairs of sets of real pictures.")
