"""A ladder VAE layer by layer: what each says, what it changes below those that are held, and the theory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from genmodels import figures
from genmodels.instruments.latent import ladder as instruments
from genmodels.models.latent.ladder import Ladder
from genmodels.probability.normal import Normal
from pages._ui.form import url_widgets
from pages._ui.page.theory import Equations, measured, show
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of, half_of, nats, pictures, square

__all__ = ["held", "layers", "raised", "theory", "upper"]

COUNT = 10  # pictures in a row
POINTS = 200  # of a plane; and samples from which a spread is told


def layers(moment: Moment) -> None:
    """The KL of each layer as bars, from the top of the ladder down."""
    n = min(1000, len(moment.data.test))
    shares = answer(instruments.shares, moment=moment, key="layers", at_once=True, n=n)
    if shares is None:
        return
    left, right = st.columns([3, 2], gap="medium")
    named = [(f"z{i + 1}", i) for i in reversed(range(len(shares["kl"])))]
    bars = {name: float(shares["kl"][i]) for name, i in named}
    errors = {name: float(shares["se"][i]) for name, i in named}
    title = "KL of each layer, given those above it"
    figure = figures.bars(
        bars, title=title, x_title="layer, the top first", y_title="nats", errors=errors, color=figures.LATENT
    )
    plot(figure, key="layers-kl", place=left)
    with right:
        nats("ELBO", float(shares["elbo"]), place=st)
        sizes = ", ".join(f"z{i + 1} has {int(size)}" for i, size in reversed(list(enumerate(shares["dimensions"]))))
        st.caption(
            f"Dimensions: {sizes}. A layer's KL is what it tells of x beyond the layers above it; together they are "
            "the KL of the bound. The curves above show it as it learns: a layer that stays at 0 is not used."
        )
    concluded(instruments.conclusion(shares))


def held(moment: Moment) -> None:
    """Samples in rows: in each, one more of the upper layers is the same for all."""
    seed = url_widgets.number("seed", 0, 9999, 0, key="held_seed", width=160)
    rows = answer(instruments.held, moment=moment, key="held", at_once=True, n=POINTS, seed=seed)
    if rows is None:
        return
    count = len(rows["x"])
    captions = [f"held: {_names(count, k)}; drawn anew: {_names(count, count, k)}" for k in range(count)]
    _in_rows(moment, rows["x"][:, : COUNT if moment.model.is_image else POINTS], captions, "held", "Samples")
    concluded(instruments.conclusion_of_held(rows))


def upper(moment: Moment) -> None:
    """Test examples, and what comes back of them from the top layer alone, from the top two, and so on."""
    first = example_of(moment, key="upper_example", label="from test example") if moment.model.is_image else 0
    n = COUNT if moment.model.is_image else POINTS
    restored = answer(instruments.upper, moment=moment, key="upper", at_once=True, first=first, n=n)
    if restored is None:
        return
    count = len(restored["mean"])
    captions = [f"from {_names(count, k)}" for k in range(1, count + 1)]
    rows = np.concatenate([restored["x"][None], restored["mean"]])
    _in_rows(moment, rows, ["test examples", *captions], "upper", "Reconstructions")
    concluded(instruments.conclusion_of_upper(restored))


def _names(count: int, to: int, begin: int = 0) -> str:
    """The layers from ``begin`` to ``to``, counted from the top, by their names: z3, z2."""
    return ", ".join(f"z{count - i}" for i in range(begin, to)) or "nothing"


def _in_rows(moment: Moment, x: npt.NDArray[Any], captions: list[str], key: str, what: str) -> None:
    """One row of pictures, or one small plane, for each of ``x``."""
    if moment.model.is_image:
        for i, (row, caption) in enumerate(zip(x, captions, strict=True)):
            pictures(row, len(row), key=f"{key}-{i}", alt=f"{what}, {caption}.", caption=caption, pixels=56)
        return
    extent = square(half_of(moment))
    with st.container(horizontal=True, gap="small"):
        for i, (row, caption) in enumerate(zip(x, captions, strict=True)):
            with st.container(width=310, gap="xsmall"):
                color = figures.DATA if caption == "test examples" else figures.SAMPLES
                figure = figures.points([figures.Points(what, row, color, size=4)], extent=extent)
                plot(figure.update_layout(height=300, showlegend=False), key=f"{key}-{i}")
                st.caption(caption)


LADDER: Equations = {
    Ladder.descend: r"""One ladder, from the top
        $$ p(x, z) = p(z_L) \prod_{l < L} p(z_l \mid z_{>l}) \; p(x \mid z) \\
        \log p(z) = \sum_l \log p(z_l \mid z_{>l}) $$
        $$ \log p(z) = <log p(z)> $$
        On each rung ``choose`` says z: from p to draw samples, from q to learn. A rung knows all those above it by the
        state d. The number is of one way down with the test example at hand. Sønderby et al. (2016), eqs. 1–3.""",
}
MERGES: Mapping[str, Equations] = {
    "precision": {
        Ladder.posterior: r"""What x adds on a rung
        $$ q(z_l \mid z_{>l}, x) \propto p(z_l \mid z_{>l}) \; N(z_l; \hat\mu_l(x), \hat\sigma_l^2(x)) $$
        $$ \log q(z \mid x) = <log q(z|x)> $$
        What the layers above expect, times what x says: as Bayes' rule with a Gaussian likelihood. So q is never wider
        than p, and where x has nothing to add (σ̂ large), it is p and costs nothing. On the top rung, above which
        nothing expects anything, q is what x says, alone. Eq. 16.""",
        Normal.times: r"""The product of two Gaussians
        $$ \sigma^2 = \frac{1}{\hat\sigma^{-2} + \sigma_p^{-2}} \\
        \mu = \frac{\hat\mu \hat\sigma^{-2} + \mu_p \sigma_p^{-2}}{\hat\sigma^{-2} + \sigma_p^{-2}} $$
        Precisions add, and each mean weighs as much as it is sure. Eqs. 17 and 18.""",
    },
    "network": {
        Ladder.posterior: r"""What x adds on a rung
        $$ q(z_l \mid z_{>l}, x) = N\big(\mu_p + \Delta\mu(x, d), \; (\sigma_p \, \Delta\sigma(x, d))^2\big) $$
        $$ \log q(z \mid x) = <log q(z|x)> $$
        A network sees the features of x and the state of the ladder, and says how far q is from p. Kingma et al.
        (2016), section 4; Vahdat & Kautz (2020), section 3.2.""",
    },
}
BOUND: Equations = {
    Normal.kl: r"""What a layer costs
        $$ KL_l = \tfrac12 \sum_j \left(\frac{\sigma_q^2 + (\mu_q - \mu_p)^2}{\sigma_p^2} - 1
        - \log \frac{\sigma_q^2}{\sigma_p^2}\right) $$
        $$ KL_1 = <kl_1> \\ KL_2 = <kl_2> \\ KL_3 = <kl_3> \\ KL_4 = <kl_4> \\ KL_5 = <kl_5> $$
        In closed form on each rung, at draws of those above it; z₁ is beside x. Means of <draws> ways down.""",
    Ladder.elbo: r"""The bound
        $$ \log p(x) \ge E_q[\log p(x \mid z)] - \sum_l E_q[KL_l] $$
        $$ E_q[\log p(x \mid z)] = <reconstruction> \\ KL = <kl> \\ \text{ELBO} = <elbo> $$
        A plain VAE's bound, whose KL falls into one term a layer; with one layer it is that. Means of <draws> ways down
        ± their standard error.""",
    Ladder.iwae: r"""A tighter bound
        $$ \log p(x) \ge E\!\left[\log \tfrac1k \sum_{i=1}^k \tfrac{p(x, z_i)}{q(z_i \mid x)}\right] \ge \text{ELBO} $$
        $$ \text{IWAE}_{<draws>} = <iwae> $$
        Each z_i is a whole way down. log p(x) itself cannot be had. Burda et al. (2016), eq. 8.""",
    Ladder.loss: r"""All of it, as it is trained
        $$ \mathcal L = \beta \sum_l \max(\lambda, KL_l) - E_q[\log p(x \mid z)] $$
        $$ \mathcal L = <loss> \\ \lambda = <lambda> $$
        β is 1, or rises to 1 while it warms up: or the layers above would be given up before they are of use
        (Sønderby et al. 2016, section 3). From one way down, of this x alone.""",
}


def raised(arguments: Mapping[str, Any]) -> str:
    """The bound of a ladder, and what one with these hyperparameters raises where that is not the bound, LaTeX."""
    rows = [
        r"\text{ELBO} = \underbrace{E_q[\log p(x \mid z)]}_{\text{reconstruction}} - \sum_{l=1}^{L}"
        r" \underbrace{E_q\, KL\big(q(z_l \mid z_{>l}, x) \,\|\, p(z_l \mid z_{>l})\big)}_{\text{KL}_l}"
    ]
    anneal, free = arguments.get("anneal", 0.5), arguments.get("free_bits", 1.0)
    if anneal or free:
        beta = r"\beta\, " if anneal else ""
        kl = r"\max(\text{KL}_l, \lambda)" if free else r"\text{KL}_l"
        rows.append(rf"\text{{raised: reconstruction}} - {beta}\sum_l {kl}")
    return r"\begin{gathered} " + r" \\ ".join(rows) + r" \end{gathered}"


def theory(moment: Moment) -> None:
    """From the factors of p(x, z) to what is computed."""
    terms = seen(instruments.numbers, moment, index=example_of(moment, key="theory_example", label="of test example"))
    known = {
        name: measured(value, terms.get(f"{name} se", 0.0)) for name, value in terms.items() if not name.endswith(" se")
    }
    known |= {"draws": str(instruments.DRAWS), "lambda": f"{moment.model.free_bits:g}"}
    show((LADDER, MERGES[moment.model.merge], BOUND), known)
