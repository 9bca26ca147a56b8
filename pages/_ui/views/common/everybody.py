"""The instruments that a model has for nothing: by what it can do."""

from collections.abc import Callable

from genmodels.models.capabilities import Decoder, Density, Encoder, has
from pages._ui.shared.moment import Moment
from pages._ui.views.common.codes import dimensions, latent_map, path
from pages._ui.views.common.density import density
from pages._ui.views.common.neighbours import nearest_neighbours

__all__ = ["View", "for_everybody", "of_a_density", "of_a_density_of_points", "of_a_latent_plane"]

View = Callable[[Moment], None]
FEW = 64  # dimensions that can be looked at one by one


def for_everybody(moment: Moment) -> dict[str, View]:
    """The instruments that apply to any model that can do what ``moment``'s can, by the name of their tab."""
    model, views = moment.model, dict[str, View]()
    if of_a_density_of_points(moment):
        views["Density"] = density
    if has(model, Decoder) and model.latent_dim >= 2:
        views["Latent map"] = latent_map
    if has(model, Decoder):
        views["Path"] = path
    if has(model, Decoder) and has(model, Encoder) and model.is_image and model.latent_dim <= FEW:
        views["Dimensions"] = dimensions
    return views | {"Nearest neighbours": nearest_neighbours}


def of_a_density(moment: Moment) -> bool:
    """Its log p(x) can be computed."""
    return has(moment.model, Density)


def of_a_density_of_points(moment: Moment) -> bool:
    """And drawn."""
    return not moment.model.is_image and of_a_density(moment)


def of_a_latent_plane(moment: Moment) -> bool:
    """Its latent space is a plane."""
    return moment.model.latent_dim == 2
