"""From min-max to divergences and distances, with this model's numbers, beside the code that computed them."""

import math

import streamlit as st

from genmodels import figures
from genmodels.data.datasets import DATASETS
from genmodels.instruments.gan import critics as lab
from genmodels.instruments.gan import divergence
from genmodels.instruments.gan import game as instruments
from genmodels.models import bigan as bigan_models
from genmodels.models import gan as gan_models
from genmodels.nn.adversarial import normalize_spectrally
from pages._ui.page.theory import equation
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.gan.game import legend_above

__all__ = ["bigan", "gan", "numbers"]


@st.cache_data(max_entries=64, show_spinner=False)
def numbers(moment: Moment) -> dict[str, float]:
    """Every term of every player's loss, for the equations."""
    return instruments.numbers(moment.model, moment.data)


@st.cache_data(max_entries=64, show_spinner=False)
def _best(moment: Moment) -> divergence.Best:
    return divergence.best_discriminator(moment.model, moment.data, DATASETS[moment.data.name].extent)


def _nats(value: float) -> str:
    return rf"{value:.4f} \text{{ nats}}"


def _measured(value: float, error: float) -> str:
    return rf"{value:.4f} \pm {error:.4f} \text{{ nats}}"


# GAN ---


def gan(moment: Moment) -> None:
    """From min-max to JS divergence, and why the saturating loss has no gradient."""
    it = numbers(moment)
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


# BiGAN ---


def bigan(moment: Moment) -> None:
    """Pairs instead of points, and why E and G undo each other."""
    it = numbers(moment)
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
