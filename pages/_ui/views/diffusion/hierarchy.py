"""A diffusion beside a VAE: both chains, both bounds, and the same picture's numbers in them."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from genmodels import figures
from genmodels.instruments.diffusion import hierarchy as instrument
from genmodels.instruments.vae.partners import partners
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of, pictures
from pages._ui.views.diffusion.film import Array

__all__ = ["hierarchy"]


def hierarchy(moment: Moment) -> None:
    """Both models of one picture, link by link."""
    known = partners(moment.data.name)
    if not known:
        st.info(f"There is no VAE of {moment.data.name} here yet: train one on the VAE's page, and come back.")
        return
    example = example_of(moment, key="hierarchy_example")
    vae = url_widgets.choice_of_many("beside the VAE", list(known), key="hierarchy_vae", width=330)
    parts = answer(instrument.both, moment=moment, key="hierarchy", at_once=True, vae=vae, example=example)
    if parts is None:
        return
    _pictures(parts)
    _terms(parts)
    _bars(parts)
    st.caption(
        "Read downwards the two bounds are one: −log p(x) ≤ KL of the topmost latent to the prior + KLs between "
        "(the VAE has none) + the reconstruction from the lowest. Only the VAE's encoder is learned, and its latent is "
        "small; the diffusion's encoder is fixed noise and each of its T latents as large as the picture. The sums "
        "are of different measures, so hold their parts against each other, not the sums: the diffusion's is of whole "
        "grey levels, the VAE's of what its decoder is a density of (Luo 2022, Understanding diffusion models: a "
        "unified perspective, https://arxiv.org/abs/2208.11970)."
    )
    concluded(instrument.conclusion(parts), key="conclusion-hierarchy")


def _pictures(parts: Mapping[str, Array]) -> None:
    left, right = st.columns([2, 5], gap="medium")
    code = ", ".join(number(float(mean)) for mean in parts["mu"][:3]) + ", …" * (len(parts["mu"]) > 3)
    with left:
        st.markdown("**VAE: one latent**")
        st.caption(f"Up: x → z = ({code}), the mean of q(z | x).")
        pictures(parts["x"], 1, key="hierarchy-x", alt="the picture", pixels=64, download="")
        st.caption("Down: z → x; and from z drawn from the prior.")
        for name, alt in (("decoded", "the picture decoded from its code"), ("drawn", "a draw of the VAE")):
            pictures(parts[name], 1, key=f"hierarchy-{name}", alt=alt, pixels=64, download="")
    with right:
        st.markdown("**Diffusion: T latents**")
        times = ", ".join(f"{t:,}" for t in parts["t"])
        st.caption(f"Up: q(xₜ | x₀) at t = {times}.")
        pictures(parts["up"], len(parts["up"]), key="hierarchy-up", alt="the picture under ever more noise", pixels=64)
        st.caption(f"Down: p(xₜ₋₁ | xₜ) from that last xₜ, at t = {', '.join(f'{t:,}' for t in parts['at'])}.")
        how: dict[str, Any] = {"alt": "a walk back from the noise", "pixels": 64}
        pictures(parts["down"], len(parts["down"]), key="hierarchy-down", **how)


def _terms(parts: Mapping[str, Array]) -> None:
    n = {name: number(float(parts[name]), 4) for name in ("kl", "prior", "last", "label", "nats")}
    steps, down = number(float(parts["steps"].sum()), 4), number(-float(parts["reconstruction"]), 4)
    label = f"| label, which it is told | | | −log p(y) | {n['label']} |\n" if parts["label"] else ""
    st.markdown(
        "| | VAE | nats | diffusion | nats |\n|---|---|---:|---|---:|\n"
        "| encoder | q(z ∣ x), learned | | q(x₁ … x_T ∣ x₀), fixed | |\n"
        "| prior | p(z) | | p(x_T) = N(0, I) | |\n"
        f"| topmost latent | KL(q(z ∣ x) ‖ p(z)) | {n['kl']} | KL(q(x_T ∣ x₀) ‖ p(x_T)) | {n['prior']} |\n"
        f"| between the latents | – | 0 | Σ KL(q(xₜ₋₁ ∣ xₜ, x₀) ‖ p(xₜ₋₁ ∣ xₜ)) | {steps} |\n"
        f"| lowest latent to x | −E log p(x ∣ z) | {down} | −E log p(x₀ ∣ x₁) | {n['last']} |\n"
        f"{label}"
        f"| −log p(x) ≤ | | {number(-float(parts['elbo']), 4)} | | {n['nats']} |"
    )


def _bars(parts: Mapping[str, Array]) -> None:
    edges = parts["times"]
    middles = (edges[1:] + edges[:-1]) / 2
    line = figures.Curve("steps", middles, parts["steps"], figures.POSTERIOR)
    how: dict[str, Any] = {
        "x_title": "t, steps",
        "y_title": "nats",
        "title": f"The diffusion's steps, in {len(middles)} groups",
    }
    figure = figures.curves([line], **how).update_traces(mode="lines+markers").update_layout(height=240)
    plot(figure, key="hierarchy-steps")
