"""From the product rule to what is computed, with one test example's numbers, beside the code that computed them."""

from collections.abc import Callable
from typing import Any

from genmodels.instruments.autoregressive import bits
from genmodels.models.autoregressive import Autoregressive
from genmodels.nn import autoregressive as networks
from genmodels.nn import pixelcnn
from genmodels.probability import conditionals
from pages._ui.form import url_widgets
from pages._ui.page.theory import equation
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment

__all__ = ["theory"]

Law = tuple[str, Callable[..., Any], str]  # equation, code, a sentence

LAWS: dict[type, Law] = {
    conditionals.Bernoulli: (
        r"\log p(x_i \mid x_{<i}) = x_i \log \lambda_i + (1 - x_i) \log(1 - \lambda_i), \quad"
        r" \log \tfrac{\lambda_i}{1 - \lambda_i} = \eta_i(x_{<i})",
        conditionals.Bernoulli.log_prob,
        "Pixels are black or white, and the network says a logit η.",
    ),
    conditionals.Categorical: (
        r"p(x_i = k \mid x_{<i}) = \frac{e^{\eta_{ik}}}{\sum_l e^{\eta_{il}}}",
        conditionals.Categorical.log_prob,
        "A number for each grey level: the network is not told that levels have neighbours.",
    ),
    conditionals.Logistics: (
        r"P(x_i) = \sum_k w_k \left[\sigma\!\left(\tfrac{x_i + 1/2 - m_k}{s_k}\right)"
        r" - \sigma\!\left(\tfrac{x_i - 1/2 - m_k}{s_k}\right)\right]",
        conditionals.Logistics.log_prob,
        "½ is half a grey level; w, m and s are said from x before i. Salimans et al. (2017), eq. 2.",
    ),
    conditionals.Gaussians: (
        r"p(x_i \mid x_{<i}) = \sum_k w_k \, N(x_i; m_k, \sigma_k^2)",
        conditionals.Gaussians.log_prob,
        "w, m and σ are said from the coordinate before; of the first they are numbers of their own.",
    ),
}
"""The law of one dimension."""

NETWORKS: dict[str, tuple[str, str, Callable[..., Any], str]] = {
    "nade": (
        "A hidden layer for each dimension, at the price of one",
        r"a_1 = c, \quad a_{i+1} = a_i + x_i W_i, \quad \eta_i = b_i + V_i \, \sigma(a_i)",
        networks.Recursion,
        "H units for each of D dimensions would cost D²H; what one of them sums the next need not sum again: DH. "
        "Larochelle & Murray (2011), section 2.1.",
    ),
    "made": (
        "An autoencoder from which weights are taken",
        r"\begin{gathered} M^{W^l}_{k', k} = 1[m^l(k') \ge m^{l-1}(k)] \\"
        r" M^V_{d, k} = 1[d > m^L(k)] \end{gathered}",
        networks.MADE.forward,
        "Each unit has a degree m and sees inputs up to it. Along every path from an input to an output the degree "
        "rises, so output d sees what comes before d. Germain et al. (2015), eqs. 13 and 14.",
    ),
    "pixelcnn": (
        "Two stacks of convolutions, and gates",
        r"\begin{gathered} y = \tanh(W_f * x) \odot \sigma(W_g * x) \\"
        r" v' = y(v), \quad h' = h + U\, y(h, v) \end{gathered}",
        pixelcnn.GatedLayer.forward,
        "v sees the rows above, h those and what is to the left. Van den Oord et al. (2016), eq. 2 and figure 2.",
    ),
}
"""What sees the dimensions before, by the name of the network."""


def theory(moment: Moment) -> None:
    """The product rule, the law of one dimension, the network, and how it is sampled."""
    model = moment.model
    d = model.orders.shape[1]
    with_place = model.is_image
    example = url_widgets.number("of test example", 0, len(moment.data.test) - 1, 0, key="theory_example", width=180)
    place = url_widgets.number("place in the order", 0, d - 1, d // 2, key="theory_place", width=180)
    it = seen(bits.numbers, moment, example=example, place=place)
    nats = {name: rf"{value:.3f} \text{{ nats}}" for name, value in it.items()}
    values = {r"\log p(x)": nats["log p"]}
    if with_place:
        values[r"-\log_2 p(x) / D"] = rf"{-it['log p'] / d / 0.6931471805599453:.4f} \text{{ bits}}"
    equation(
        "A density is a product, in any order",
        r"\log p(x) = \sum_{i=1}^{D} \log p(x_i \mid x_1, \ldots, x_{i-1})",
        Autoregressive.each,
        values=values | {"D": str(d)},
        about="This is the product rule of probability: nothing is approximated, and no bound is needed. One pass "
        "through the network says all D laws at once, for in training all of x is known.",
    )
    latex, code, about = LAWS[type(model.law)]
    shown = {
        "i": f"{int(it['dimension'])}",
        "x_i": f"{it['x of place']:.4g}",
        r"\log p(x_i \mid x_{<i})": nats["log p of place"],
    }
    equation("The law of one dimension", latex, code, values=shown, about=about)
    title, latex, network, about = NETWORKS[model.config["network"]]
    equation(title, latex, network, about=about)
    if model.config["network"] == "pixelcnn":
        equation(
            "What the first layer sees",
            r"v_1 = W * x_{\text{moved down a row}}, \quad h_1 = w * x_{\text{moved right a pixel}}",
            pixelcnn.PixelCNN.forward,
            about="So that nothing needs a mask: a pixel is not among what is seen when it is spoken of.",
        )
    if model.masks > 1:
        equation(
            "Several masks, one set of weights",
            r"p(x) = \tfrac1M \sum_{m=1}^M p_m(x)",
            Autoregressive.log_prob,
            values={r"\log p_1(x)": nats["log p of mask 0"], r"\log p(x)": nats["log p"], "M": str(model.masks)},
            about="Trained by turns, averaged where it counts. Germain et al. (2015), section 4.2.",
        )
    equation(
        "All of it, as it is trained",
        r"\mathcal L = -\log p(x)",
        Autoregressive.loss,
        values={r"\mathcal L": rf"{-it['log p']:.3f} \text{{ nats}}"},
        about="Maximum likelihood itself: less of it is nearer to the data in KL(data ‖ model).",
    )
    equation(
        "Sampling: one after another",
        r"x_i \sim p(x_i \mid x_{<i}), \qquad i = 1, \ldots, D",
        type(model.network).walk,
        about="The other direction is slow, for each x_i waits for those before. What has been computed is kept, so "
        "that a sample costs about one pass through the network, and not D of them.",
    )
