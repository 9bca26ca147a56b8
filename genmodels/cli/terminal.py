"""What a terminal shows: progress, one line drawn over itself (plain lines in a file or a pipe), and tables.

The bar is by hand: tqdm comes with the Hub's client, which the library does not need, and repeats its lines in a file.
"""

import functools
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from genmodels.durations import worded

if TYPE_CHECKING:
    from genmodels.training.loop import Step

__all__ = ["Progress", "bar", "table"]

WIDTH = 24  # of the bar
EVERY = 0.1, 5.0  # seconds between two looks at a terminal, and between two lines of a file


class Progress:
    """Tells of one piece of work.

    Args:
        stream: Where to; stderr by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._start = self._shown = -1.0
        self._drawn = False

    def follow(self, steps: Iterator["Step"]) -> Iterator["Step"]:
        """Pass on ``steps``, and print of each how far it is, the time left and the terms as last logged."""
        terms: dict[str, float] = {}
        first = None
        for step in steps:
            first = first or step
            terms |= step.terms or {}
            self._tell(step.step == step.total, functools.partial(self._of_step, step, first, terms))
            yield step
        self.end()

    def of(self, fraction: float, text: str = "") -> None:
        """How much of a download, or of the samples, is there: 0 to 1."""
        self._tell(
            fraction >= 1, lambda: f"{bar(fraction) if self.live else ''}{100 * fraction:4.0f} %  {text}".strip()
        )
        if fraction >= 1:
            self.end()

    def end(self) -> None:
        """Leave the last line where it is."""
        if self._drawn:
            print(file=self.stream, flush=True)
            self._drawn = False

    def _of_step(self, step: "Step", first: "Step", terms: dict[str, float]) -> str:
        done = step.step - first.step
        pace = (time.monotonic() - self._start) / done if done else 0.0
        left = f"{worded(pace * (step.total - step.step))} left" if done and step.step < step.total else ""
        where = f"step {step.step:>{len(str(step.total))}}/{step.total}  epoch {step.epoch:.1f}  {left}".rstrip()
        values = "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
        return f"{bar(step.step / step.total) if self.live else ''}{where}  {values}"

    def _tell(self, last: bool, text: Callable[[], str]) -> None:
        now = time.monotonic()
        if self._start < 0:
            self._start = now
        if self._shown >= 0 and not last and now - self._shown < EVERY[not self.live]:
            return
        self._shown = now
        if self.live:
            line = text()[: shutil.get_terminal_size().columns - 1]
            print(f"\r\x1b[K{line}", end="", file=self.stream, flush=True)
            self._drawn = True
        else:
            print(text(), file=self.stream, flush=True)


def bar(fraction: float) -> str:
    """A bar filled to ``fraction``.

    >>> bar(0.5)
    '████████████············  '
    """
    filled = round(WIDTH * min(1.0, max(0.0, fraction)))
    return "█" * filled + "·" * (WIDTH - filled) + "  "


def table(rows: list[dict[str, object]]) -> str:
    """Aligned columns under their names; numbers to the right.

    >>> print(table([{"name": "beta", "default": 1.0}, {"name": "latent_dim", "default": 20}]))
    name        default
    beta              1
    latent_dim       20
    """
    if not rows:
        return ""
    cells = [[f"{v:g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in [list(rows[0]), *cells]) for i in range(len(rows[0]))]
    right = [all(isinstance(list(row.values())[i], int | float) for row in rows) for i in range(len(widths))]
    lines = [
        "  ".join(
            text.rjust(w) if r else text.ljust(w) for text, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [list(rows[0]), *cells]
    ]
    return "\n".join(lines)
