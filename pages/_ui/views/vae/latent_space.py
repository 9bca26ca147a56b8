"""What can be explored of a VAE: each function draws one instrument of one moment."""

import streamlit as st

from genmodels import figures
from genmodels.instruments.vae.geometry import only_two
from genmodels.models.capabilities import Density, has
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common import codes
from pages._ui.views.common.density import density
from pages._ui.views.common.shapes import by_class
from pages._ui.views.vae import bound, collapse, drawing, geometry, priors, true_posterior

__all__ = ["COVERED", "VIEWS", "of_a_density_of_points", "of_a_known_density", "on_a_plane"]


def prior_and_posterior(moment: Moment) -> None:
    """The prior, the aggregate posterior and their difference, on one scale."""
    only_two(moment.model)
    maps = priors.map_of_z(moment.id, moment.step, "aggregate")
    if maps is None:
        return
    st.caption(
        f"Samples are decoded from the prior; the decoder has learned from the aggregate posterior. Where they differ, "
        f"it is asked what it never saw: {priors.apart(maps)} between all {len(moment.data.test):,} encoded test "
        "examples and the prior. Dots: where the encoder puts some of them, in the colours of their labels."
    )
    p, q, extent = maps["prior"], maps["posterior"], tuple(maps["extent"].tolist())
    dots = by_class(maps["mu"], maps["labels"], moment.data.classes)
    title = "Prior p(z) and encoded test set"
    prior = geometry.density_of_z(p, extent, title=title, color=figures.LATENT, over=dots)
    posterior = geometry.density_of_z(q, extent, title="Aggregate posterior q(z)", color=figures.POSTERIOR)
    for figure in (prior, posterior):
        figure.update_traces(zmax=float(max(p.max(), q.max())), selector={"type": "heatmap"})
    gap = figures.signed(q - p, extent, title="q(z) − p(z)", unit="density", x_title="z₁", y_title="z₂")
    for place, key, figure in zip(st.columns(3), ("prior", "posterior", "gap"), (prior, posterior, gap), strict=True):
        plot(figure.update_layout(showlegend=False), key=f"density-{key}", place=place)


def p_of_x(moment: Moment) -> None:
    """p(x) as learned, as it is, and their difference."""
    if moment.model.is_image or not has(moment.model, Density):
        st.info(
            "p(x) can be drawn on the plane, and integrated over one or two latents: train the preset *Plane: see "
            "p(x) learned*. Of pictures, *The bound* says how likely they are."
        )
        return
    density(
        moment,
        about="p(x) = ∫ p(x | z) p(z) dz, integrated over a grid of z for every point of the map: no samples, no "
        "estimate.",
    )


VIEWS = {
    "Manifold": codes.latent_map,
    "Prior and posterior": prior_and_posterior,
    "Reconstructions": bound.reconstructions,
    "Draw a digit": drawing.drawn,
    "Path": codes.path,
    "Dimensions": codes.dimensions,
    "The bound": bound.ladder,
    "p(x)": p_of_x,
    "True posterior": true_posterior.posteriors,
    "Collapse": collapse.collapse,
    "Close the gap": bound.close_the_gap,
    "Shapes": geometry.shapes,
    "Four priors": priors.four_priors,
}
"""The instruments by the name of their tab."""

COVERED = ("Density", "Latent map", "Path", "Dimensions")
"""What a model has for nothing and is among VIEWS."""


def on_a_plane(moment: Moment) -> bool:
    """Its latent space is one."""
    return moment.model.latent_dim == 2


def of_a_known_density(moment: Moment) -> bool:
    """Its log p(x) can be integrated."""
    return has(moment.model, Density)


def of_a_density_of_points(moment: Moment) -> bool:
    """And drawn."""
    return not moment.model.is_image and of_a_known_density(moment)
