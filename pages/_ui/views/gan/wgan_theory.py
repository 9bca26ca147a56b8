"""From the earth mover's distance to a critic, and what keeps it Lipschitz, with this model's numbers."""

import math

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.gan import critics as lab
from genmodels.instruments.gan import game as instruments
from genmodels.metrics import distances
from genmodels.models import wgan as wgan_models
from genmodels.nn import adversarial
from pages._ui.page.theory import equation
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.gan.game import legend_above
from pages._ui.views.gan.theory import numbers

__all__ = ["wgan"]

_KEPT = {
    "clip": ", with weights in [−c, c]: it is at most k times W, k its steepest slope.",
    "gp": ", held to slope 1 by a soft penalty only: the best of these finds more than W (below), one that lags, less.",
    "spectral": ", nowhere steeper than 1: its estimate is below W of the same points.",
    "none": " that nothing keeps from being steep: its estimate says nothing of W.",
}


@st.cache_data(max_entries=64, show_spinner=False)
def _exact(moment: Moment) -> dict[str, float]:
    """The exact distance and the critic's estimate of the same 400 samples and test points, and the floor."""
    found = instruments.coverage(moment.model, moment.data)
    mean, spread = instruments.floor(moment.data, by_class=bool(moment.model.classes))
    return {"w1": found.w1, "estimate": found.estimate or 0.0, "floor": mean, "spread": spread}


def wgan(moment: Moment) -> None:
    """Kantorovich and Rubinstein, and what keeps a critic Lipschitz."""
    it, model = numbers(moment), moment.model
    exact = None if model.is_image else _exact(moment)
    st.caption(
        "The numbers are means over 256 test examples and as many samples of the model above"
        + ("." if exact is None else "; W and the estimate beside it are of 400 and 400, as in *Estimate and exact*.")
    )
    each = " The model is conditional: W is the mean over the labels of each class's own." if model.classes else ""
    equation(
        "What it costs to carry the samples to the data",
        r"W(p, q) = \inf_{\gamma \in \Pi(p, q)} E_{(x, y) \sim \gamma} \|x - y\|",
        distances.wasserstein1,
        values=None
        if exact is None
        else {
            r"W(\text{400 data}, \text{400 samples})": exact["w1"],
            r"W(\text{400 data}, \text{400 others})": rf"{exact['floor']:.4f} \pm {exact['spread']:.4f}",
        },
        about="The earth mover's distance: the norm is not squared. On the plane it is computed exactly, for 400 "
        "points, by the best of all assignments. Two sets of data are not 0 apart: that is the floor, and of the two "
        "distributions themselves W is smaller than of 400 points of each, by at most about the floor."
        f"{each} Arjovsky et al. (2017), eq. 1.",
    )
    equation(
        "The same number from the other side, of the best critic",
        r"W(p, q) = \sup_{\|f\|_L \le 1} E_{x \sim p}[f(x)] - E_z[f(G(z))]",
        wgan_models.WGAN.loss,
        values={r"E[f(x)] - E[f(G(z))]": it["wasserstein"] if exact is None else exact["estimate"]},
        about="Kantorovich and Rubinstein: a critic that nowhere climbs faster than 1 cannot tell them further apart "
        "than they are; of the best one it is the same number from the other side, of any other it is less. This "
        "critic is a network in training"
        + _KEPT[model.penalty]
        + " *Estimate and exact* draws both over the training. Eq. 2.",
    )
    _flat()
    _lipschitz(it, model)
    equation(
        "What the generator minimizes",
        r"L_G = -E_z[f(G(z))]",
        wgan_models.WGAN.generator_loss,
        values={"L_G": it["generator_loss"]},
        about="Its gradient is ∇f at each sample: the arrows of *On the plane*. It does not vanish when f is trained "
        "to the end; that is why the critic may take more turns. Theorem 3.",
    )


def _flat() -> None:
    found = lab.apart()
    theta = found["theta"]
    lines = [
        figures.Curve("W₁, units of x", theta, found["w1"], figures.SAMPLES),
        figures.Curve("JS, nats", theta, found["js"], figures.DATA),
        figures.Curve("log 2", theta, np.full(len(theta), math.log(2)), figures.NEUTRAL, dashed=True),
    ]
    figure = figures.curves(
        lines,
        x_title="distance θ of two Gaussians with σ = 0.1",
        y_title="W₁ (units of x) · JS (nats)",
        title="Why not the divergence",
    )
    left, right = st.columns([3, 2], gap="medium")
    plot(legend_above(figure), key="apart", place=left)
    right.markdown(
        "Once the two hardly overlap, JS stands at log 2 and its slope is 0: a perfect discriminator tells the "
        "generator nothing. W₁ is θ itself, with the same slope everywhere. Arjovsky et al. (2017), example 1."
    )


def _lipschitz(it: dict[str, float], model: wgan_models.WGAN) -> None:
    equation(
        "Lipschitz by clipping",
        r"w \leftarrow \operatorname{clip}(w, -c, c)",
        wgan_models.WGAN.after_turn,
        values={"c": model.clip} if model.penalty == "clip" else None,
        about="The slope is bounded by some k that depends on the layers, and the estimate by k·W. The best critic of "
        "slope k need not be among the networks with weights in [−c, c]: the estimate can be far less. Algorithm 1.",
    )
    found = {r"\|\nabla f\|": it["gradient norm"], r"P": it["penalty"]} if model.penalty == "gp" else None
    equation(
        "Lipschitz by a penalty",
        r"P = E_{\hat x}\left[(\|\nabla f(\hat x)\| - 1)^2\right], \quad \hat x = u x + (1 - u) G(z)",
        wgan_models.gradient_norm,
        values=None if found is None else found | {r"\lambda": model.penalty_weight},
        about="The best 1-Lipschitz critic has slope 1 along the line from a sample to the example that an optimal "
        "plan carries it to (proposition 1); here it is asked between any sample and any example. A gradient of a "
        "gradient: create_graph keeps it differentiable in the weights. Where leaky ReLU has its kinks the slope "
        "jumps, and that a kink moves with the weights this derivative does not see; ELU has none. "
        "Gulrajani et al. (2017), eq. 3.",
    )
    _soft(it, model)
    equation(
        "Where it is taken",
        r"u \sim U(0, 1), \qquad \hat x = u x + (1 - u)\, G(z)",
        wgan_models.between,
        about="One u for each pair, not one for each pixel: x̂ lies on the straight line between them.",
    )
    equation(
        "Lipschitz by construction",
        r"\|f\|_L \le \frac{1}{B} \prod_l s_l\, \sigma_{\max}(W_l) = 1, \qquad B = \prod_l s_l",
        adversarial.Critic.bound,
        values={"B": model.critic.bound()} if model.penalty == "spectral" else None,
        about="Every weight is divided by its largest singular value, and neither leaky ReLU nor ELU stretches. What "
        "else can is divided away: s = 2 for a convolution whose kernel of 4 at stride 2 sees a pixel up to four "
        "times, and for the sum of the two vectors that score an example and its label. σ is found by power "
        "iterations, one a step, so that the bound holds as nearly as they have converged. Miyato et al. "
        "(2018), eq. 8.",
    )


def _soft(it: dict[str, float], model: wgan_models.WGAN) -> None:
    """What a soft penalty makes of the distance."""
    values = None
    if model.penalty == "gp":
        values = {
            r"E[f(x)] - E[f(G(z))]": it["wasserstein"],
            r"2 \lambda P": 2 * model.penalty_weight * it["penalty"],
            r"E[f(x)] - E[f(G(z))] - 2 \lambda P": it["wasserstein (flow)"],
        }
    equation(
        "What the best critic under this penalty finds",
        r"\begin{aligned} \|\nabla f\| = 1 + \frac{|\sigma|}{2 \lambda m}, \quad E[f(x)] - E[f(G(z))] &= "
        r"\int |\sigma| + \frac{1}{2 \lambda} \int \frac{|\sigma|^2}{m} \ge W + \frac{W^2}{2 \lambda} \\"
        r"E[f(x)] - E[f(G(z))] - 2 \lambda P &= \int |\sigma| \ge W \end{aligned}",
        wgan_models.WGAN.flow,
        values=values,
        about="m is the density of x̂, σ a flow that carries the samples to the data, along ∇f. The penalty is soft: it "
        "pays to be steeper than 1, the more so where little of m is. The ≥ of the first line is = only where "
        "|σ| is in proportion to m; taking 2λP off leaves the flow's length, which on a line is W. Milne & Nachman "
        "(2022), Wasserstein GANs with gradient penalty compute congested transport.",
    )
