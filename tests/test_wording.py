"""What strangers write stands in our sentences as text: quoted, bounded, and neither link, picture nor formula."""

import ast
import re
import sys
from pathlib import Path

import pytest

from genmodels.errors import BadInput
from genmodels.instruments.gan.turns import turns_of
from genmodels.runs.store import find
from genmodels.text import quoted, titled, whole

ROOT = Path(__file__).resolve().parents[1]
SCREEN = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]
SOURCES = [*sorted((ROOT / "genmodels").rglob("*.py")), *SCREEN]
WRITES_PYTHON = {"code.py"}  # there a repr is a literal of the script that is taken home
HOSTILE = (
    "![](//evil.example)",
    "[Log in again](https://evil.example)",
    "https://evil.example/login",
    "www.evil.example",
    "<img src=x onerror=alert(1)>",
    "[x][y]\n\n[y]: https://evil.example",
    "`code` " + "x" * 100_000,
    "\u202e\x1b[31m\x00",
)
LIVE = re.compile(r"\]\(|\]\[|\]:|<|`|://|www\.[^ ]|[\x00-\x1f\u202e]")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_shows_a_bare_repr(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        bare = isinstance(node, ast.FormattedValue) and node.conversion == ord("r")
        assert not bare or path.name in WRITES_PYTHON, f"{path}:{node.lineno}: write quoted(…) in place of !r"  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20].encode("unicode_escape").decode())
def test_what_is_quoted_or_a_title_is_no_markup(text: str) -> None:
    assert not LIVE.search(quoted(text))
    assert not LIVE.search(titled(text))
    assert len(quoted(text)) <= 80
    assert len(titled(text)) <= 80
    for refuse in (turns_of, find):
        with pytest.raises(BadInput) as caught:
            refuse(text)
        assert not LIVE.search(str(caught.value).replace("`python -m genmodels runs`", ""))
        assert len(str(caught.value)) < 300


def test_whatever_a_value_is_it_can_be_quoted() -> None:
    deep: list[object] = []
    for _ in range(2 * sys.getrecursionlimit()):
        deep = [deep]
    for value in (10**5000, deep, {"a": 10**5000}, None, float("nan"), b"x" * 1000, "x" * 10_000_000):
        assert 0 < len(quoted(value)) <= 80


@pytest.mark.parametrize("text", ["9" * 5000, "²", "-1", "1.0", "", " 1", "1\n", "0x1", "١", None])
def test_a_number_in_a_link_has_a_bounded_number_of_digits(text: str | None) -> None:
    assert whole(text) is None
    assert whole("0042") == 42


def test_no_page_reads_a_number_without_a_bound() -> None:
    """Python refuses to read a text of more than 4,300 digits, with an error that no page expects."""
    for path in SCREEN:
        assert not re.search(r"\.isdecimal\(|\.isdigit\(|\.isnumeric\(", path.read_text()), f"{path}: take whole()"
