"""What is taken home of a run beside its files: its curves, its samples and films of its training, as pictures.

The SVG of the curves is written by hand: Plotly makes one only with a browser beside it.
"""

import html
import io
import math
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from genmodels.data.datasets import info
from genmodels.errors import BadInput
from genmodels.export import checkpoint, code, diffusers
from genmodels.figures import DATA, NEUTRAL, SAMPLES
from genmodels.images import gif, png, tile
from genmodels.instruments.codes import has_map, latent_map
from genmodels.runs.record import CLOCK
from genmodels.runs.run import Run

__all__ = ["curves", "film", "manifold", "pictures_of", "pipeline", "zipped"]

SIDE = 360  # pixels of a plane
POINTS = 1000
PANEL, MARGIN = (380, 240), (64, 14, 34, 40)  # width and height; left, right, top and bottom

Bytes = npt.NDArray[np.uint8]


def zipped(run: Run) -> bytes:
    """The run as one zip: its files, its figures, and the script and the notebook that train it again."""
    extra = {f"figures/{name}": content for name, content in pictures_of(run).items()}
    if not code.hindrance(run):
        extra |= {"train.py": code.script(run).encode(), "train.ipynb": code.notebook(run).encode()}
    return checkpoint.zipped(run, extra)


def pipeline(run: Run) -> bytes:
    """A DDPM with diffusers' network as a pipeline of diffusers, in a zip.

    Raises:
        BadInput: If it is none.
    """
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        diffusers.export(run.model(), Path(folder))
        for path in sorted(Path(folder).rglob("*.*")):
            file.write(path, Path(run.id) / path.relative_to(folder))
    return buffer.getvalue()


def pictures_of(run: Run) -> dict[str, bytes]:
    """All figures that the run has, by file name."""
    files: dict[str, bytes] = {}
    if rows := run.metrics():
        files["curves.svg"] = curves(rows, run.title).encode()
    samples = _samples(run, None)
    if samples is not None:
        files["samples.png"] = png(_drawn(run, samples))
        files["training.gif"] = film(run)
    return files


# Films ----------------------------------------------------------------------------------------------------------------


def film(run: Run, *, fps: float = 4) -> bytes:
    """The run's film as a GIF: samples of the same noise at each of its moments, and now.

    Raises:
        BadInput: If it has drawn nothing yet.
    """
    drawn = [_samples(run, step) for step in (*run.frames(), None)]
    frames = [_drawn(run, one) for one in drawn if one is not None]
    if not frames:
        raise BadInput(f"Run {run.id} has no samples yet.")
    return _gif(frames, fps)


def manifold(run: Run, *, n: int = 12, fps: float = 4) -> bytes:
    """The map of a latent space at each snapshot and now, as a GIF.

    Args:
        run: The run of a model that has one (:func:`genmodels.instruments.codes.has_map`).
        n: Decoded points a side.
        fps: Frames a second.

    Raises:
        BadInput: If it has none.
    """
    frames = []
    for step in (*run.snapshots(), None):
        model = run.model(step)
        if not has_map(model):
            raise BadInput(f"Run {run.id} has no map of pictures: that takes an encoder of images to two numbers.")
        images = latent_map(model, n).x[::-1]  # z₂ rises upwards
        frames.append(tile(images.reshape(-1, *model.shape), n, gap=0)[..., :3])
    return _gif(frames, fps)


def _gif(frames: Sequence[Bytes], fps: float) -> bytes:
    stack = np.stack(frames).transpose(0, 3, 1, 2)
    return gif(stack, fps=fps, scale=max(1, SIDE // stack.shape[-1]))


def _samples(run: Run, step: int | None) -> npt.NDArray[np.float32] | None:
    try:
        return run.samples(step)
    except BadInput:  # nothing was kept yet
        return None


def _drawn(run: Run, samples: npt.NDArray[np.float32]) -> Bytes:
    """Samples as one picture, (H, W, 3)."""
    if samples.ndim == 4:
        return tile(samples)[..., :3]
    extent, canvas = info(run.plan.data).extent, Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(canvas)
    for color, points in ((DATA, run.data().test.x[:POINTS].numpy()), (SAMPLES, samples[:POINTS])):
        for x, y in (points / extent + 1) * SIDE / 2:
            if math.isfinite(x) and math.isfinite(y):
                pen.ellipse((x - 1.5, SIDE - y - 1.5, x + 1.5, SIDE - y + 1.5), fill=color)
    return np.asarray(canvas)


# Curves ---------------------------------------------------------------------------------------------------------------


def curves(rows: Sequence[Mapping[str, float]], title: str, *, columns: int = 2) -> str:
    """The curves of a run as an SVG picture: a panel a term, held out dashed.

    Args:
        rows: What it logged.
        title: Above them.
        columns: Panels in a row.
    """
    names = dict.fromkeys(name for row in rows for name in row if name not in CLOCK)
    terms = list(dict.fromkeys(name.removeprefix("held-out ") for name in names))
    (width, height), top = PANEL, 36
    size = f"{width * min(columns, len(terms))} {top + height * math.ceil(len(terms) / columns)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="16" y="24" font-size="16">{html.escape(title)}</text>',
    ]
    for i, term in enumerate(terms):
        place = f"translate({width * (i % columns)} {top + height * (i // columns)})"
        parts.append(f'<g transform="{place}">{_panel(rows, term)}</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(rows: Sequence[Mapping[str, float]], term: str) -> str:
    """A panel of SVG: one term over the steps, held-out too."""
    lines = {}
    for name in (term, f"held-out {term}"):
        kept = [(row["step"], row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
        lines[name] = np.array(kept, dtype=float).reshape(-1, 2)
    both = np.concatenate(list(lines.values()))
    if not len(both):
        return ""
    (left, right, above, below), (width, height) = MARGIN, PANEL
    low, high = both.min(0), both.max(0)
    span = np.where(high > low, high - low, 1.0)
    size = np.array([width - left - right, height - above - below])
    frame = f'<rect x="{left}" y="{above}" width="{size[0]}" height="{size[1]}" fill="none" stroke="{NEUTRAL}"/>'
    parts = [frame, f'<text x="{left}" y="{above - 10}">{html.escape(term)}</text>']
    for name, line in lines.items():
        at = (line - low) / span * size * (1, -1) + (left, above + size[1])
        dashes = ' stroke-dasharray="5 3"' if name != term else ""
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{DATA}" stroke-width="1.5"{dashes}/>')
    bottom = above + size[1]
    for value, y in ((high[1], above + 10), (low[1], bottom)):
        parts.append(f'<text x="{left - 6}" y="{y}" text-anchor="end">{value:.4g}</text>')
    for value, x, anchor in ((low[0], left, "start"), (high[0], width - right, "end")):
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="{anchor}">{value:,.0f}</text>')
    parts.append(f'<text x="{left + size[0] / 2}" y="{bottom + 30}" text-anchor="middle">step</text>')
    return "".join(parts)
