"""The instruments that a model's page offers, read from the page itself."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from pages._ui.shared.instruments import Instrument

PAGES = Path(__file__).resolve().parents[1] / "pages" / "models"


def on_page(model: str) -> Mapping[str, Instrument]:
    """What ``pages/models/<model>.py`` hands to the page as its own instruments, by name."""
    with mock.patch("pages._ui.page.page.page") as page:
        runpy.run_path(str(PAGES / f"{model}.py"))
    return page.call_args.kwargs["explore"]


def applies(instrument: Instrument, **model: Any) -> bool:
    """Whether it is offered for a model that has these attributes."""
    return instrument.applies(SimpleNamespace(model=SimpleNamespace(**model)))  # type: ignore[arg-type]
