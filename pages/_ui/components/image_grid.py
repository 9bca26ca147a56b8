"""A picture in crisp pixels that changes in place, with its download."""

from pages._ui.components import component
from pages._ui.server.blobs import address

__all__ = ["image_grid"]

_mount = component("image_grid")


def image_grid(
    image: bytes, *, key: str, alt: str, caption: str = "", scale: float = 2.0, download: str = "samples.png"
) -> None:
    """Show a PNG or JPEG whose every pixel counts.

    Args:
        image: The file's bytes (:func:`genmodels.images.png` of :func:`genmodels.images.tile`).
        key: Identity: a new picture under the same key replaces the old one without a blank frame.
        alt: What it shows, for those who cannot see it.
        caption: A line under it.
        scale: Size on the screen of one of its pixels, in CSS pixels; less where the screen is narrow.
        download: Name of the file that is offered; "" for none.
    """
    data = {"image": address(image), "alt": alt, "caption": caption, "scale": scale, "download": download}
    _mount(key=key, data=data)
