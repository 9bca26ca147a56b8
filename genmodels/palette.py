"""The colours of everything that is drawn: Okabe & Ito's, which colour-blind people can tell apart.

Streamlit's theme (.streamlit/config.toml) repeats them, for it reads no Python.
"""

__all__ = ["CLASSES", "DATA", "LATENT", "NEUTRAL", "POSTERIOR", "RUNS", "SAMPLES", "rgb"]

DATA, SAMPLES, LATENT, POSTERIOR = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
RUNS = (DATA, SAMPLES, LATENT, POSTERIOR, "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")
"""Colours of runs drawn over each other, in order."""
CLASSES = (
    "#4E79D9", "#E8742C", "#2FA36B", "#D64550", "#9467BD", "#A0705A", "#E377C2", "#8A8F98", "#BCBD22", "#17BECF",
)  # fmt: skip
"""Colours of the ten labels of a data set."""
NEUTRAL = "#7d838b"  # legible on white and on black


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of "#rrggbb", 0 to 255 each.

    >>> rgb(SAMPLES)
    (213, 94, 0)
    """
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
