"""Every figure as a file: a PNG at three times its size, and an SVG, from the bar that comes when one points at it."""

from pages._ui.components import component

__all__ = ["figure_files"]

_mount = component("figure_files")


def figure_files() -> None:
    """Once a page: gives each figure's bar its second button. It draws nothing itself."""
    _mount(key="figure-files", height=0)
