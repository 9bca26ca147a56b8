"""Strangers' words, by the hundred: command lines and links."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from genmodels.cli import parser
from genmodels.errors import BadInput
from genmodels.hub.client import Place
from genmodels.hyperparameters import declared
from genmodels.instruments.gan.turns import turns_of
from genmodels.models import MODELS, model_class
from genmodels.runs import classroom, store
from genmodels.text import quoted, titled, whole
from genmodels.training.settings import Settings
from tests.fuzz import SEED, times, word

TIMES = max(1, times(300) // 300)
COMMANDS = ("models", "datasets", "runs", "resume", "fork", "sample", "evaluate", "export", "x", "")


@pytest.mark.parametrize("seed", range(TIMES))
def test_a_command_line_of_anything_ends_in_a_sentence_and_writes_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    rng = random.Random(SEED + seed)
    for _ in range(300):
        words = [rng.choice(COMMANDS), *(word(rng) for _ in range(rng.randrange(4)))]
        if any("hf://" in one for one in words):
            continue  # these wait for a network
        before = {path for path in tmp_path.rglob("*") if path.is_file()}
        try:
            code = parser.main(words)
        except SystemExit as end:  # --help
            code = int(end.code or 0)
        said = capsys.readouterr().err
        assert code in (0, 1, 2), words
        assert "Traceback" not in said, words
        assert code == 0 or 0 < len(said) < 3000, words
        if code:
            assert {path for path in tmp_path.rglob("*") if path.is_file()} == before, words


@pytest.mark.parametrize("seed", range(TIMES))
def test_whatever_a_link_says_is_a_value_or_a_sentence(seed: int) -> None:
    rng = random.Random(SEED + seed)
    rules = [one for name in MODELS for one in declared(model_class(name)).values()] + list(declared(Settings).values())
    readers = [store.find, classroom.find, turns_of, Place.parse, *(one.check for one in rules)]
    for _ in range(2000):
        text = word(rng)
        whole(text)
        assert len(quoted(text)) <= 80
        assert len(titled(text)) <= 80
        for read in rng.sample(readers, 4):
            said = refusal(read, text)
            assert len(said) < 1000
            assert "://b" not in said
            assert "](" not in said


def refusal(read: Callable[[str], object], text: str) -> str:
    try:
        read(text)
    except BadInput as error:
        return str(error)
    return ""


def test_a_disk_that_cannot_be_written_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in ("/proc/self/x", "/dev/null/x"):
        assert parser.main(["train", "vae", "--steps", "1", "--out", out]) in (1, 2)
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert "cannot be written" in said or "is not" in said
    for words in (["sample", "x" * 300, "--out", "x.npy"], ["resume", "x" * 300]):
        assert parser.main(words) == 2
        said = capsys.readouterr().err
        assert "There is no run" in said
        assert said.count("\n") == 1
