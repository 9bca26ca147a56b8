"""From the product rule to what is computed, with one test example's numbers, beside the code that computed them."""

import math
from collections.abc import Mapping
from typing import Any

from genmodels.instruments.autoregressive import bits
from genmodels.models.autoregressive import Autoregressive
from genmodels.nn import autoregressive as networks
from genmodels.nn import pixelcnn
from genmodels.probability import conditionals
from pages._ui.form import url_widgets
from pages._ui.page.theory import Equations, measured, show
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.views.common.shapes import example_of

__all__ = ["raised", "theory"]

RULE = """This is the product rule of probability: nothing is approximated, and no bound is needed. One pass through the
    network says all D laws at once, for in training all of x is known. Before i is whatever is before it in the order
    of the dimensions."""
PRODUCT: dict[str, Equations] = {
    "one": {
        Autoregressive.each: r"""A density is a product, in any order
        $$ \log p(x) = \sum_{i=1}^{D} \log p(x_i \mid x_1, \ldots, x_{i-1}) $$
        $$ \log p(<x>) = <log p> \\ -\log_2 p(<x>) / D = <bits> \\ D = <D> $$ """
        + RULE
    },
    "several": {
        Autoregressive.each: r"""A density is a product, in any order
        $$ \log p_1(x) = \sum_{i=1}^{D} \log p_1(x_i \mid x_1, \ldots, x_{i-1}) $$
        $$ \log p_1(<x>) = <log p of mask 0> \\ D = <D> $$ """
        + RULE
        + """ Of several masks each has its own product: here, and for one dimension below, that of the first."""
    },
}
"""By how many masks the network has, as what is trained."""
OF_ONE = r"$$ i = <i> \\ x_i = <x_i> \\ \log p(x_i \mid x_{<i}) = <log p of i> $$"
LAWS: dict[type, Equations] = {
    conditionals.Bernoulli: {
        conditionals.Bernoulli.log_prob: rf"""The law of one dimension
        $$ \log p(x_i \mid x_{{<i}}) = x_i \log \lambda_i + (1 - x_i) \log(1 - \lambda_i), \quad
        \log \tfrac{{\lambda_i}}{{1 - \lambda_i}} = \eta_i(x_{{<i}}) $$ {OF_ONE}
        Pixels are black or white, and the network says a logit η."""
    },
    conditionals.Categorical: {
        conditionals.Categorical.log_prob: rf"""The law of one dimension
        $$ p(x_i = k \mid x_{{<i}}) = \frac{{e^{{\eta_{{ik}}}}}}{{\sum_l e^{{\eta_{{il}}}}}} $$ {OF_ONE}
        A number for each grey level: the network is not told that levels have neighbours."""
    },
    conditionals.Logistics: {
        conditionals.Logistics.log_prob: rf"""The law of one dimension
        $$ P(x_i) = \sum_k w_k \left[\sigma\!\left(\tfrac{{x_i + 1/2 - m_k}}{{s_k}}\right)
        - \sigma\!\left(\tfrac{{x_i - 1/2 - m_k}}{{s_k}}\right)\right] $$ {OF_ONE}
        ½ is half a grey level, and ∞ beyond the first and the last; w, m and s are said from x before i. Salimans et
        al. (2017), eq. 2."""
    },
    conditionals.Gaussians: {
        conditionals.Gaussians.log_prob: rf"""The law of one dimension
        $$ p(x_i \mid x_{{<i}}) = \sum_k w_k \, N(x_i; m_k, \sigma_k^2) $$ {OF_ONE}
        w, m and σ are said from the coordinate before; of the first they are numbers of their own."""
    },
}
"""The law of one dimension, by what it is."""

NETWORKS: dict[str, Equations] = {
    "nade": {
        networks.Recursion.forward: r"""A hidden layer for each dimension, at the price of one
        $$ a_1 = c, \quad a_{i+1} = a_i + x_i W_i, \quad \eta_i = b_i + V_i \, \sigma(a_i) $$
        H units for each of D dimensions would cost D²H; what one of them sums the next need not sum again: DH.
        Larochelle & Murray (2011), section 2.1.""",
    },
    "made": {
        networks.MADE.forward: r"""An autoencoder from which weights are taken
        $$ M^{W^l}_{k', k} = 1[m^l(k') \ge m^{l-1}(k)] \\ M^V_{d, k} = 1[d > m^L(k)] $$
        Each unit has a degree m and sees inputs up to it. Along every path from an input to an output the degree rises,
        so output d sees what comes before d. Germain et al. (2015), eqs. 13 and 14.""",
    },
    "pixelcnn": {
        pixelcnn.GatedLayer.forward: r"""Two stacks of convolutions, and gates
        $$ y = \tanh(W_f * x) \odot \sigma(W_g * x) \\ v' = y(v), \quad h' = h + U\, y(h, v) $$
        v sees the rows above, h those and what is to the left. Van den Oord et al. (2016), eq. 2 and figure 2.""",
        pixelcnn.PixelCNN.forward: r"""What the first layer sees
        $$ v_1 = W * x_{\text{moved down a row}}, \quad h_1 = w * x_{\text{moved right a pixel}} $$
        So that nothing needs a mask: a pixel is not among what is seen when it is spoken of.""",
    },
}
"""What sees the dimensions before, by the name of the network."""

SEVERAL: Equations = {
    Autoregressive.log_prob: r"""Several masks, one set of weights
        $$ p(x) = \tfrac1M \sum_{m=1}^M p_m(x) $$
        $$ M = <M> \\ \log p_1(<x>) = <log p of mask 0> \\ \log p(<x>) = <log p> \\ -\log_2 p(<x>) / D = <bits> $$
        Trained by turns, averaged where it counts. Germain et al. (2015), section 4.2.""",
}
TRAINED: dict[str, Equations] = {
    "one": {
        Autoregressive.loss: r"""All of it, as it is trained
        $$ L = -\log p(x) $$ $$ L = <loss> $$
        Maximum likelihood itself: less of it is nearer to the data in KL(data ‖ model)."""
    },
    "several": {
        Autoregressive.loss: r"""All of it, as it is trained
        $$ L = -\log p_m(x), \qquad m = 1, \ldots, M \text{ by turns} $$
        $$ \tfrac1M \textstyle\sum_m -\log p_m(<x>) = <loss> \\ -\log p(<x>) = <nll> $$
        m is the mask whose turn it is: so what is trained is on average no less than −log p(x), which the means of laws
        make smaller yet (Jensen). Held out, the curve is −log p(x) itself."""
    },
}

WALK = r"""Sampling: one after another
    $$ x_i \sim p(x_i \mid x_{<i}), \qquad i = 1, \ldots, D $$
    The other direction is slow, for each x_i waits for those before. What has been computed is kept, so that a sample
    costs about one pass through the network, and not D of them."""
WALKS: dict[str, Equations] = {
    "nade": {networks.NADE.walk: WALK},
    "made": {networks.MADE.walk: WALK},
    "pixelcnn": {pixelcnn.PixelCNN.walk: WALK},
}


def raised(arguments: Mapping[str, Any]) -> str:
    """What is raised of a model with these hyperparameters, LaTeX: of several masks that of one at a time."""
    if arguments.get("network", "made") == "made" and arguments.get("orders", 1) > 1:
        rows = [
            r"p(x) = \tfrac1M \sum_{m=1}^{M} p_m(x), \qquad"
            r" \log p_m(x) = \sum_{i=1}^{D} \log p_m(x_i \mid x_1, \ldots, x_{i-1})",
            r"\text{raised: } \log p_m(x), \; m \text{ by turns, on average no more than } \log p(x)",
        ]
    else:
        rows = [r"\log p(x) = \sum_{i=1}^{D} \log p(x_i \mid x_1, \ldots, x_{i-1})"]
    return r"\begin{gathered} " + r" \\ ".join(rows) + r" \end{gathered}"


def theory(moment: Moment) -> None:
    """The product rule, the law of one dimension, the network, and how it is sampled."""
    model = moment.model
    d = model.orders.shape[1]
    example = example_of(moment, key="theory_example")
    place = url_widgets.number("place in the order", 0, d - 1, d // 2, key="theory_place", width=180)
    it = seen(bits.numbers, moment, example=example, place=place)
    nats = {name: measured(it[name]) for name in ("log p", "log p of mask 0")}
    known: dict[str, float | str] = {"D": d, "M": model.masks, **nats}
    known |= {"loss": measured(-it["log p of a mask"]), "nll": measured(-it["log p"])}
    known |= {"i": it["dimension"] + 1, "x_i": it["x of place"], "log p of i": measured(it["log p of place"])}
    known["x"] = r"x \mid y" if model.classes else "x"  # the label of the example is told
    if model.is_image:
        known["bits"] = measured(-it["log p"] / d / math.log(2), unit="bits")
    network, masks = model.config["network"], "several" if model.masks > 1 else "one"
    parts = [PRODUCT[masks], LAWS[type(model.law)], NETWORKS[network], *([SEVERAL] if model.masks > 1 else [])]
    show([*parts, TRAINED[masks], WALKS[network]], known)
