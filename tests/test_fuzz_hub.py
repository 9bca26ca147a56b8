"""Whatever a repository on the Hub holds, it is pulled or refused in a sentence, and nothing else is left of it."""

import json
import random
import resource
import sys
import time
from pathlib import Path

import pytest

from genmodels.data import decoding
from genmodels.errors import BadInput
from genmodels.host import apart
from genmodels.hub.checkpoints import available, pull
from genmodels.hub.client import Place
from genmodels.runs import store
from tests.fake_hub import FakeHub, Handler
from tests.fuzz import SEED, other_json, outside, spoiled, times, word
from tests.test_hub import Files, shipped, under
from tests.test_hub import served as served
from tests.test_hub import there as there

TIMES = times(100)
FOLDER, SECONDS, MEMORY = "mine", 20, 400e6  # of a processor a trial; of all trials together
CALL, EACH_APART = apart.call, 15  # one in so many goes the whole way, to processes of its own
STRANGE = (
    "../x",
    "/etc/x",
    "a/../../x",
    "a\\..\\x",
    ".hidden",
    "x.pkl",
    "x.bin",
    "x.py",
    "a/b/c/d",
    "ü",
    " ",
    "CON",
    "-x",
)


def at_once(name: str, content: bytes = b"", *, what: str, bounds: object = None, **arguments: object) -> object:
    """In place of ``apart.call``: here and now, without the start of a process."""
    return getattr(decoding, name)(content, **arguments)


def harm(dice: random.Random, there: FakeHub, files: Files) -> str:
    """Change something in what the repository holds, and say what."""
    name = dice.choice(sorted(files))
    how = dice.choice(["json", "json", "spoil", "spoil", "gone", "renamed", "more", "size", "of another"])
    if how == "json" and name.endswith((".json", ".jsonl")):
        text, what = other_json(dice, files[name].decode(errors="replace"), lines=name.endswith("l"))
        files[name] = text.encode(errors="surrogatepass")
        return f"{name}: {what}"
    if how == "spoil":
        files[name] = spoiled(dice, files[name])
    elif how == "gone":
        del files[name]
    elif how == "renamed":
        files[f"{dice.choice(STRANGE)}/{name}" if dice.random() < 0.5 else dice.choice(STRANGE)] = files.pop(name)
    elif how == "more":
        step = dice.choice(["7", "-1", "٣", "9" * 30, "x", "0007"])
        files[dice.choice([f"snapshots/{step}/model.safetensors", dice.choice(STRANGE), f"{name}/x"])] = b"x" * 10
    elif how == "size":
        there.lies[f"{FOLDER}/{name}"] = dice.choice([0, 1, 2**40, len(files[name]) + 1])
    elif how == "of another":
        files[name] = files[dice.choice(sorted(files))]
    return f"{name}: {how}"


@pytest.mark.timeout(max(300, TIMES))
def test_no_repository_is_too_strange(there: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice, whole = random.Random(SEED), shipped()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pulled = 0
    for n in range(TIMES):
        files = dict(whole)
        there.lies.clear()
        done = [harm(dice, there, files) for _ in range(dice.randint(1, 3)) if files]
        there.put(f"ada/{n}", under(FOLDER, files) | dice.choice([{}, {word(dice) or "x": b"x"}]))
        what = f"GENMODELS_FUZZ_SEED={SEED}, repository {n}: {'; '.join(done)}"
        before, start = outside(tmp_path, tmp_path / "hf"), time.process_time()
        place = Place(f"ada/{n}", subfolder=FOLDER)
        monkeypatch.setattr(apart, "call", CALL if n % EACH_APART == 0 else at_once)
        for act in (lambda: available(Place(place.repo)), lambda: pull(place)):  # noqa: B023
            try:
                act()
            except BadInput as error:
                assert 0 < len(str(error)) < 600, what  # noqa: PT017
                assert "\n" not in str(error), what  # noqa: PT017
            except Exception as error:
                pytest.fail(f"{what}: {type(error).__name__}: {error}")
        assert time.process_time() - start < SECONDS, what
        after = outside(tmp_path, tmp_path / "hf")
        assert {path: when for path, when in after.items() if path in before} == before, what
        new = [run for run in store.every() if run.plan.origin and run.plan.origin.name.endswith(f"/{n}/{FOLDER}")]
        ours = [*(run.path for run in new), store.root() / ".hub"]  # where pulling takes its turn
        made = {path for path in after.keys() - before.keys() if not any(one in path.parents for one in ours)}
        assert not made, what
        if new:
            pulled += 1
            assert new[0].damage() == "", what
            new[0].model()
            new[0].delete()
    assert 0 < pulled < TIMES
    assert not store.damaged()
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * (1 if sys.platform == "darwin" else 1024)
    assert peak < MEMORY


@pytest.mark.timeout(max(300, TIMES))
def test_no_listing_of_the_hub_is_too_strange(there: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice, pulled = random.Random(SEED), 0

    def answer(self: Handler, value: object) -> None:
        text = json.dumps(value)
        for _ in range(dice.randint(1, 3)):
            text, _ = other_json(dice, text)
        content = text.encode(errors="surrogatepass") if dice.random() < 0.7 else spoiled(dice, text.encode())
        self.answer(content, headers={"Content-Type": "application/json"})

    monkeypatch.setattr(Handler, "json", answer)
    monkeypatch.setattr(apart, "call", at_once)
    for n in range(TIMES):
        there.put(f"ada/{n}", under(FOLDER, shipped()))
        before, start = outside(tmp_path, tmp_path / "hf"), time.process_time()
        try:
            pull(Place(f"ada/{n}", subfolder=FOLDER)).delete()
            pulled += 1
        except BadInput as error:
            assert 0 < len(str(error)) < 600  # noqa: PT017
        except Exception as error:
            pytest.fail(f"GENMODELS_FUZZ_SEED={SEED}, listing {n}: {type(error).__name__}: {error}")
        assert time.process_time() - start < SECONDS
        made = outside(tmp_path, tmp_path / "hf").keys() - before.keys()
        assert all(path.parent == store.root() / ".hub" for path in made)
    assert 0 < pulled < TIMES
