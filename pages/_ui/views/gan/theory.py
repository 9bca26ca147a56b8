"""From min-max to divergences and distances, with this model's numbers, beside the code that computed them."""

import math

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.data.datasets import DATASETS
from genmodels.instruments.gan import critics as lab
from genmodels.instruments.gan import divergence
from genmodels.instruments.gan import game as instruments
from genmodels.metrics import distances
from genmodels.models import bigan as bigan_models
from genmodels.models import gan as gan_models
from genmodels.models import wgan as wgan_models
from genmodels.nn import adversarial
from genmodels.nn.adversarial import normalize_spectrally
from pages._ui.page.theory import equation
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.gan.game import legend_above

__all__ = ["bigan", "gan", "wgan"]


@st.cache_data(max_entries=64, show_spinner=False)
def _numbers(moment: Moment) -> dict[str, float]:
    return instruments.numbers(moment.model, moment.data)


@st.cache_data(max_entries=64, show_spinner=False)
def _best(moment: Moment) -> divergence.Best:
    return divergence.best_discriminator(moment.model, moment.data, DATASETS[moment.data.name].extent)


@st.cache_data(max_entries=64, show_spinner=False)
def _exact(moment: Moment) -> dict[str, float]:
    """The exact distance and the critic's estimate of the same 400 samples and test points, and the floor."""
    found = instruments.coverage(moment.model, moment.data)
    mean, spread = instruments.floor(moment.data, by_class=bool(moment.model.classes))
    return {"w1": found.w1, "estimate": found.estimate or 0.0, "floor": mean, "spread": spread}


def _nats(value: float) -> str:
    return rf"{value:.4f} \text{{ nats}}"


def _measured(value: float, error: float) -> str:
    return rf"{value:.4f} \pm {error:.4f} \text{{ nats}}"


# GAN ---


def gan(moment: Moment) -> None:
    """From min-max to JS divergence, and why the saturating loss has no gradient."""
    it = _numbers(moment)
    least_squares = moment.model.objective == "least-squares"
    st.caption("The numbers are means over 256 test examples and as many samples of the model above.")
    beliefs: dict[str, float | str] = {r"E[D(x)]": it["D(real)"], r"E[D(G(z))]": it["D(fake)"]}
    value = {} if least_squares else {"V(D, G)": _nats(it["value"]), r"-\log 4": _nats(-math.log(4))}
    equation(
        "Two players, one value",
        r"\begin{aligned} \min_G \max_D V(D, G) &= E_{x \sim p}[\log D(x)] \\ &+ E_z[\log(1 - D(G(z)))] \end{aligned}",
        gan_models.discriminator_loss,
        values=beliefs | value,
        about="V = −log 4 where the discriminator can but guess, D = ½. It climbs towards 0 as it sees through the "
        "samples. Goodfellow et al. (2014), eq. 1.",
    )
    _divergence(moment)
    equation(
        "What the generator is taught with",
        r"\begin{aligned} \text{minimax: } & \log(1 - D) & \partial_s &= -D \\"
        r" \text{non-saturating: } & -\log D & \partial_s &= -(1 - D) \\"
        r" \text{least squares: } & \tfrac12 (s - 1)^2 & \partial_s &= s - 1 \end{aligned}",
        gan_models.generator_slope,
        values={r"|\partial L / \partial s|": it["push"], "L_G": it["generator_loss"]},
        about="The same fixed point, another slope: with s the logit, D = σ(s). Section 3.",
    )
    _saturation(it, least_squares)
    equation(
        "Least squares",
        r"L_D = \tfrac12 E[(s(x) - 1)^2] + \tfrac12 E[s(G(z))^2]",
        gan_models.discriminator_loss,
        values={"L_D": it["discriminator_loss"]} if least_squares else None,
        about="The score itself is to be p/(p + q). Samples far on the right side of the border still pull. "
        "Mao et al. (2017), eq. 9.",
    )
    equation(
        "One step of the training",
        r"L_D = -V(D, G), \qquad L_G = E_z[\ell(s(G(z)))]",
        gan_models.GAN.loss,
        values={"L_D": it["discriminator_loss"], "L_G": it["generator_loss"]},
        about="The discriminator's turns see samples without gradient; the generator's turn goes through the critic.",
    )
    equation(
        "No layer stretches",
        r"W \leftarrow W / \sigma_{\max}(W)",
        normalize_spectrally,
        about="Spectral normalization bounds the slope of the whole network: of dense layers by 1; each convolution, a "
        "kernel of 4 at stride 2, can still stretch by up to 2. Miyato et al. (2018), eq. 8.",
    )


def _divergence(moment: Moment) -> None:
    values = None
    about = "Insert D* and two KL divergences to (p + q)/2 remain. Goodfellow et al. (2014), proposition 1, theorem 1."
    if not moment.model.is_image and not moment.model.classes and moment.data.log_prob is not None:
        best = _best(moment)
        values = {
            r"V(D, G)": _measured(best.bound.learned, best.bound.learned_se),
            r"V(D^*, G) \ge": _measured(2 * best.bound.js - math.log(4), 2 * best.bound.js_se),
            r"JS(p, q) \ge": _measured(best.bound.js, best.bound.js_se),
        }
        about += (
            " No D has a larger V, so each bounds the divergence from below: here the best of the learned one, D = ½ "
            "and three that count neighbours, on 1,500 data and samples that none has seen, ± a standard error. "
            "*On the plane* draws D and D*."
        )
    else:
        about += " With a density that is known, on the plane and without labels, the numbers stand here."
    equation(
        "The best discriminator makes it a divergence",
        r"D^* = \frac{p}{p + q}, \qquad V(D^*, G) = 2\,JS(p, q) - \log 4",
        divergence.jensen_shannon,
        values=values,
        about=about,
    )


def _saturation(it: dict[str, float], least_squares: bool) -> None:
    found = lab.saturation()
    lines = [
        figures.Curve("minimax: D", found["s"], found["minimax"], figures.RUNS[0]),
        figures.Curve("non-saturating: 1 − D", found["s"], found["non-saturating"], figures.RUNS[1]),
        figures.Curve("least squares: |s − 1|", found["s"], found["least-squares"], figures.RUNS[2]),
    ]
    figure = figures.curves(
        lines, x_title="logit s of a sample", y_title="|∂L/∂s|", title="How strongly a sample is pushed"
    )
    figure.update_yaxes(range=[0, 2.05])
    at = it["D(fake)"]
    if not least_squares and 0 < at < 1:
        s = math.log(at / (1 - at))
        figure.add_vline(
            x=s,
            line={"color": figures.NEUTRAL, "dash": "dot"},
            annotation_text="this model's E[D(G(z))]",
            annotation_position="bottom left",
        )
    left, right = st.columns([3, 2], gap="medium")
    plot(legend_above(figure), key="saturation", place=left)
    right.markdown(
        "On the left the discriminator is sure that the sample is false. There log(1 − D) is flat: its slope is D ≈ 0, "
        "and the generator that most needs to learn is told nothing. −log D has slope 1 − D ≈ 1 in the same place. "
        "Least squares never saturates, on either side."
    )


# WGAN ---

_KEPT = {
    "clip": ", with weights in [−c, c]: it is at most k times W, k its steepest slope.",
    "gp": ", held to slope 1 by a soft penalty only: the best of these finds more than W (below), one that lags, less.",
    "spectral": ", nowhere steeper than 1: its estimate is below W of the same points.",
    "none": " that nothing keeps from being steep: its estimate says nothing of W.",
}


def wgan(moment: Moment) -> None:
    """Kantorovich and Rubinstein, and what keeps a critic Lipschitz."""
    it, model = _numbers(moment), moment.model
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


# BiGAN ---


def bigan(moment: Moment) -> None:
    """Pairs instead of points, and why E and G undo each other."""
    it = _numbers(moment)
    st.caption("The numbers are means over 256 test examples and as many samples of the model above.")
    equation(
        "The discriminator judges pairs",
        r"\min_{G, E} \max_D \; E_{x \sim p}[\log D(x, E(x))] + E_z[\log(1 - D(G(z), z))]",
        bigan_models.BiGAN.loss,
        values={
            "V": _nats(it["value"]),
            r"-\log 4": _nats(-math.log(4)),
            r"E[D(x, E(x))]": it["D(real)"],
            r"E[D(G(z), z)]": it["D(fake)"],
        },
        about="One player joins an example with its code, the other a code with its example. "
        "Donahue et al. (2017), eqs. 2 and 3.",
    )
    equation(
        "Encoder and generator swap the labels",
        r"L_{G, E} = -E_x[\log(1 - D(x, E(x)))] - E_z[\log D(G(z), z)]",
        bigan_models.BiGAN.generator_loss,
        values={"L_{G,E}": it["generator_loss"]},
        about="Both gradients are strong where the discriminator is sure, for the reason that −log D replaces "
        "log(1 − D) in a GAN.",
    )
    equation(
        "At the optimum each undoes the other",
        r"p(x)\, \delta(z - E(x)) = p(z)\, \delta(x - G(z)) \;\Rightarrow\; G(E(x)) = x",
        bigan_models.BiGAN.reconstruct,
        values={r"E\|G(E(x)) - x\|^2 / D": it["reconstruction"]},
        about="This error is in no loss: it falls because the joint distributions meet. Theorem 2. "
        "*There and back* shows it.",
    )
    equation(
        "The code, and its noise where it has some",
        r"z = E(x) \quad \text{or} \quad z \sim N(\mu(x), \sigma^2(x))",
        bigan_models.BiGAN.infer,
        about="Adversarially learned inference draws z: Dumoulin et al. (2017), section 2.",
    )
