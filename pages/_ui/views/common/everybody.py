"""The instruments that a model has for nothing: by what it can do."""

from collections.abc import Callable

from genmodels.models.capabilities import Decoder, Density, has
from pages._ui.shared.moment import Moment
from pages._ui.views.common.codes import latent_map, path
from pages._ui.views.common.density import density
from pages._ui.views.common.neighbours import neighbours

__all__ = ["View", "for_everybody"]

View = Callable[[Moment], None]


def for_everybody(moment: Moment) -> dict[str, View]:
    """The instruments that apply to any model that can do what ``moment``'s can, by the name of their tab."""
    model, found = moment.model, dict[str, View]()
    if not model.is_image and has(model, Density):
        found["Density"] = density
    if has(model, Decoder) and model.latent_dim >= 2:
        found["Latent map"] = latent_map
    if has(model, Decoder):
        found["Path"] = path
    return found | {"Nearest neighbours": neighbours}
