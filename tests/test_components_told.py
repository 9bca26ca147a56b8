"""What a browser says for a component is checked: it is a drawing, a frame, a point, or nothing."""

import base64
import math
from typing import Any

import pytest

from pages._ui.components import drawing_pad, latent_pad, scrubber

JUNK: list[Any] = [None, 1, "x", [], {}, {"frame": "x"}, {"frame": math.nan}, {"frame": 1e400}, {"frame": [1]}, True]
GREY = base64.b64encode(bytes(16)).decode()


class Told(dict[str, Any]):
    """What is mounted says the same whatever is asked."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, *_: Any) -> Any:
        return self.value


@pytest.mark.parametrize("value", [*JUNK, {"newest": False, "frame": -5}], ids=repr)
def test_a_scrubber_stands_at_a_frame(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubber, "_mount", lambda **_: Told(value))
    film = {"frames": 7}
    at = scrubber._show("k", film, None, "", None, False, True, {})
    assert type(at) is int
    assert 0 <= at <= 6


@pytest.mark.parametrize("value", [*JUNK, ["a", 1], [1], [math.nan, 0], [1e300, 0], {"0": 1}], ids=repr)
def test_a_point_lies_in_the_plane(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_pad, "_mount", lambda **_: Told(value))
    monkeypatch.setattr(latent_pad, "address", lambda image: "")
    sprite: Any = type("Sprite", (), {"image": b"", "size": (1, 1)})
    assert latent_pad.latent_pad(sprite, ([0.0], [0.0]), key="k", alt="") == (0.0, 0.0)


@pytest.mark.parametrize(
    "value",
    [
        *JUNK[1:],
        {"grey": "!", "strokes": []},
        {"grey": GREY[:4], "strokes": []},
        {"grey": GREY, "strokes": [{"width": 1e400, "points": []}]},
        {"grey": GREY, "strokes": [{"width": 0.1, "points": [[math.nan, 0]]}]},
        {"grey": GREY, "strokes": [{"width": 0.1, "points": [[1, 2, 3]]}]},
        {"grey": GREY, "strokes": [{"width": 0.1, "points": 7}]},
        {"grey": GREY, "strokes": 7},
    ],
    ids=repr,
)
def test_a_drawing_is_one_or_none(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_pad, "_mount", lambda **_: Told(value))
    found = drawing_pad.drawing_pad(key="k", alt="", pixels=4)
    assert not found.strokes
    assert found.pixels.shape == (4, 4)
    told = {"grey": GREY, "strokes": [{"width": 0.1, "points": [[0.5, 1]]}]}
    monkeypatch.setattr(drawing_pad, "_mount", lambda **_: Told(told))
    assert drawing_pad.drawing_pad(key="k", alt="", pixels=4).strokes == tuple(told["strokes"])
