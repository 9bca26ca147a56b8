"""Checkpoints from and to the Hub, by the real client, from a small Hub on loopback; and everything that goes wrong."""

import errno
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, constants
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from streamlit.testing.v1 import AppTest

from genmodels.cli.parser import main
from genmodels.errors import BadInput
from genmodels.export import diffusers
from genmodels.export.model_card import headline
from genmodels.files import read_json
from genmodels.host import apart
from genmodels.hub import client, validate
from genmodels.hub.checkpoints import available, pull, pulled, resolve
from genmodels.hub.client import Place
from genmodels.hub.pretrained import from_pretrained
from genmodels.hub.push import push
from genmodels.jobs import background
from genmodels.models.base import load
from genmodels.models.ddpm import DDPM
from genmodels.runs import disk, store
from genmodels.runs.record import Origin, Plan
from pages._ui.shared import hub_buttons
from tests.fake_hub import FakeHub, Fault, known_alone, serving

BUNDLED = "vae-digits-2d"
MEASURES = read_json(store.CHECKPOINTS / BUNDLED / "measures.json")
ELBO = MEASURES["elbo_nats"]
REPO = "ada/engines"
PLACE = Place(REPO, subfolder=BUNDLED)
APP = str(Path(__file__).resolve().parents[1] / "app.py")
TOKEN = "hf_secret_of_a_test"

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def served() -> Iterator[FakeHub]:
    with serving() as one:
        yield one


@pytest.fixture
def there(served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """An empty Hub, and a client that knows it and nothing else."""
    known_alone(served, tmp_path / "hf", monkeypatch)
    return served


def shipped(snapshots: int = 1) -> Files:
    """A checkpoint's files by name, as it lies in the repository."""
    run = store.Run(store.CHECKPOINTS / BUNDLED)
    names = [path.relative_to(run.path) for path in run.path.rglob("*") if path.is_file() and path.name[0] != "."]
    kept = {str(step) for step in run.snapshots()[:snapshots]}
    return {str(n): (run.path / n).read_bytes() for n in names if n.parts[0] != "snapshots" or n.parts[1] in kept}


def under(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": content for name, content in files.items()}


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")} if folder.exists() else set()


def refused(words: str, place: Place = PLACE) -> str:
    """Pulling says no in one sentence with these words, and nothing has changed."""
    before = everything(store.root())
    with pytest.raises(BadInput) as caught:
        pull(place)
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert len(said) < 400
    assert everything(store.root()) == before
    return said


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("hf://ada/engines", Place(REPO)),
        ("ada/engines", Place(REPO)),
        ("hf://ada/engines@v1.0", Place(REPO, "v1.0")),
        ("hf://ada/engines/a/b_2.c", Place(REPO, "", "a/b_2.c")),
        ("hf://ada/engines@refs/pr/7/a", Place(REPO, "refs/pr/7", "a")),
    ],
)
def test_names_of_places(name: str, place: Place) -> None:
    assert Place.parse(name) == place
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize(
    "name",
    ["", "ada", "hf://ada", "hf://ada/engines/../x", "hf://ada/engines/.git", "hf://../x", "hf://ada/engines@../x",
     "https://ada/engines", "hf://ada/engines//x", "hf://ada/eng ines", "hf://ada/engines/x\n", "hf://ada/engines@"],
)  # fmt: skip
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(BadInput, match="hf://owner/repo"):
        Place.parse(name)


def test_a_subfolder_given_apart_is_checked_too() -> None:
    with pytest.raises(BadInput):
        Place.parse(REPO, subfolder="../..")
    with pytest.raises(BadInput):
        Place.parse(REPO, revision="a b")


# Pulling --------------------------------------------------------------------------------------------------------------


def test_a_pull_becomes_a_run_like_any_other(there: FakeHub) -> None:
    commit = there.put(REPO, under(BUNDLED, shipped(1)) | {f"{BUNDLED}/notes.txt": b"not taken"})
    told: list[float] = []
    run = pull(PLACE, lambda fraction, text: told.append(fraction))
    assert store.find(run.id).path == run.path == resolve(str(PLACE))
    assert [one.id for one in store.every()] == [run.id]
    assert run.plan.origin == Origin(name=str(PLACE), commit=commit)
    original = store.Run(store.CHECKPOINTS / BUNDLED)
    assert run.state().status == "finished"
    assert run.metrics() == original.metrics()
    assert run.snapshots() == [26, 3300]
    assert original.plan.arguments.items() <= run.plan.arguments.items()  # newer ones have their defaults
    for name in ("model.safetensors", "samples.npy"):
        assert (run.path / name).read_bytes() == (original.path / name).read_bytes()
    assert not (run.path / "notes.txt").exists()
    assert not any(path.is_symlink() for path in run.path.rglob("*"))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_moments_of_which_there_is_a_picture_alone_come_along_and_are_looked_at(there: FakeHub) -> None:
    files = {name: content for name, content in shipped(0).items() if not name.startswith("snapshots/")}
    picture = io.BytesIO()
    np.save(picture, np.full((16, 1, 8, 8), 255, np.uint8))
    there.put(REPO, under(BUNDLED, files | {"snapshots/5/samples.npy": picture.getvalue()}))
    run = pull(PLACE)
    assert (run.snapshots(), run.frames()) == ([3300], [5, 3300])
    assert (run.samples(5) == 1).all()
    wrong = io.BytesIO()
    np.save(wrong, np.zeros((16, 1, 9, 9), np.uint8))
    there.put(REPO, under(BUNDLED, files | {"snapshots/5/samples.npy": wrong.getvalue()}))
    refused("no samples of its model")
    many = {f"snapshots/{step}/samples.npy": picture.getvalue() for step in range(100)}
    there.put(REPO, under(BUNDLED, files | many))
    refused("100 snapshots")


def test_a_repository_may_be_one_checkpoint(there: FakeHub) -> None:
    there.put(REPO, shipped(1))
    assert pull(Place(REPO)).model().name == "vae"


def test_a_pull_leaves_no_thread_behind(there: FakeHub) -> None:
    """The client's progress bars start a thread for each class of them."""
    there.put(REPO, under(BUNDLED, shipped(1)))
    before = set(threading.enumerate())
    pull(PLACE)
    left = {thread for thread in threading.enumerate() if "process_request" not in thread.name}  # the fake Hub's own
    assert left <= before


def test_pulling_again_asks_once_and_fetches_nothing(there: FakeHub) -> None:
    there.put(REPO, under(BUNDLED, shipped(1)))
    first = pull(PLACE)
    there.log.clear()
    assert pull(PLACE).path == first.path
    assert there.log == [f"GET /api/models/{REPO}"]


def test_resolving_what_was_pulled_needs_no_network(there: FakeHub) -> None:
    there.put(REPO, under(BUNDLED, shipped(1)))
    first = resolve(str(PLACE))
    there.log.clear()
    assert resolve(str(PLACE)) == first
    assert not there.log


def test_a_changed_branch_changes_the_run_and_a_commit_does_not(there: FakeHub) -> None:
    files = under(BUNDLED, shipped(1))
    old = there.put(REPO, files)
    run, pinned = pull(PLACE), pull(Place(REPO, old, BUNDLED))
    (store.root() / ".hub/tmpleft/new").mkdir(parents=True)  # by a pull that was killed
    changed = json.loads(files[f"{BUNDLED}/run.json"]) | {"title": "a better one"}
    new = there.put(REPO, files | {f"{BUNDLED}/run.json": json.dumps(changed).encode()})
    there.log.clear()
    again = pull(PLACE)
    assert again.path == run.path != pinned.path
    assert (again.title, again.plan.origin.commit) == ("a better one", new)
    assert there.asked_for("model.safetensors") <= 2 + 2 * len(again.snapshots())
    assert pull(Place(REPO, old, BUNDLED)).title == BUNDLED
    assert len(store.every()) == 2
    assert [path.name for path in (store.root() / ".hub").iterdir()] == [".lock"]


def test_from_pretrained_gives_the_same_samples(there: FakeHub) -> None:
    there.put(REPO, under(BUNDLED, shipped(0)))
    there.put(REPO, under(BUNDLED, shipped(0)), branch="v1")
    local = load(store.CHECKPOINTS / BUNDLED).state_dict()
    for model in (
        from_pretrained(REPO, subfolder=BUNDLED),
        from_pretrained(f"hf://{REPO}@v1/{BUNDLED}"),
        from_pretrained(REPO, revision="v1", subfolder=BUNDLED),
    ):
        assert all((value == local[name]).all() for name, value in model.state_dict().items())
    assert not store.root().exists()
    assert there.asked_for("run.json") == 0


def test_a_model_without_a_run_can_be_sampled(there: FakeHub) -> None:
    there.put(REPO, {name: shipped(0)[name] for name in ("config.json", "model.safetensors")})
    assert load(resolve(f"hf://{REPO}")).name == "vae"
    refused("run.json is missing", Place(REPO))


# Offline --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["HF_HUB_OFFLINE", "no server"])
def test_what_is_cached_serves_without_a_network(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch, how: str, tmp_path: Path
) -> None:
    there.put(REPO, under(BUNDLED, shipped(1)) | under("other", shipped(0)))
    pull(PLACE).delete()
    if how == "no server":
        url = "http://127.0.0.1:9"
        memory = client._memory(PLACE)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        memory.rename(client._memory(PLACE))  # what is remembered is remembered for each Hub
    else:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    there.log.clear()
    assert pull(PLACE).state().step == 3300
    assert from_pretrained(REPO, subfolder=BUNDLED).name == "vae"
    listing, cards = available(Place(REPO))
    assert not listing.live
    assert [bool(card.problem) for card in cards] == [True, False]
    start = time.perf_counter()
    refused("cannot be reached", Place(REPO, subfolder="other"))
    refused("cannot be reached", Place("ada/never-seen"))
    assert time.perf_counter() - start < 10
    assert not there.log


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_missing_things_are_named(there: FakeHub) -> None:
    refused("is not on the Hub")
    there.put(REPO, {"README.md": b"# nothing here"})
    refused("config.json is missing")
    refused("no such revision", Place(REPO, "v9", BUNDLED))
    with pytest.raises(BadInput, match=r"config\.json is missing"):
        from_pretrained(REPO)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("GET /api", 401), "token"),
        (Fault("GET /api", 403), "token"),
        (Fault("GET /api", 403, "GatedRepo"), "accept its terms"),
        (Fault("GET /api", 429), "asked too often"),
        (Fault("GET /api", 503), "in trouble (503)"),
        (Fault("resolve", 429), "asked too often"),
        (Fault("GET /ada", 500), "in trouble (500)"),
        (Fault("model.safetensors", 404, "EntryNotFound"), "no such file"),
    ],
)
def test_the_hub_refuses(there: FakeHub, monkeypatch: pytest.MonkeyPatch, fault: Fault, words: str) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    there.put(REPO, under(BUNDLED, shipped(0)))
    there.faults.append(fault)
    assert TOKEN not in refused(words)


@pytest.mark.parametrize("match", ["GET /api", "HEAD /ada", "GET /ada"])
@pytest.mark.parametrize("status", [429, 502])
def test_the_hub_recovers(there: FakeHub, match: str, status: int) -> None:
    there.put(REPO, under(BUNDLED, shipped(0)))
    there.faults.append(Fault(match, status, times=2))
    assert pull(PLACE).title == BUNDLED


def test_a_broken_download_is_taken_up_again_or_refused(there: FakeHub) -> None:
    there.put(REPO, under(BUNDLED, shipped(0)))
    there.faults.append(Fault("GET /ada/engines/resolve", times=10_000))
    refused("again")
    there.faults[:] = [Fault(f"{BUNDLED}/model.safetensors", times=2)]
    assert load(pull(PLACE).path).name == "vae"


def test_a_slow_hub_is_waited_for_but_not_for_ever(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    there.put(REPO, under(BUNDLED, shipped(1)))
    there.faults.append(Fault("", seconds=0.05, times=4))
    run = pull(PLACE)
    monkeypatch.setattr(client, "TIMEOUT", 0.2)
    there.faults[:] = [Fault("GET /api", seconds=1.0)]
    assert not client.look(Place(REPO)).live  # as last seen
    assert pull(PLACE).path == run.path
    refused("broke off on its way", Place("ada/other"))


def test_a_private_repository_needs_the_token_which_goes_nowhere_else(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    there.put(REPO, under(BUNDLED, shipped(0)))
    there.private = TOKEN
    refused("HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    run = pull(PLACE)
    assert there.tokens[-1] == f"Bearer {TOKEN}"
    for folder in (run.path, Path(constants.HF_HOME)):
        assert not [path for path in folder.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/passwd", "a/../../b", "a\\..\\b", f"{BUNDLED}/./run.json", "a//b"]
)
def test_a_name_that_leaves_its_folder(there: FakeHub, name: str) -> None:
    there.put(REPO, under(BUNDLED, shipped(0)) | {name: b"evil"})
    refused("would leave its folder")


@pytest.mark.parametrize("name", ["model.pkl", "pytorch_model.bin", "snapshots/3/x.PT"])
def test_pickles_are_refused_before_anything_is_fetched(there: FakeHub, name: str) -> None:
    there.put(REPO, under(BUNDLED, shipped(0) | {name: b"\x80\x04."}))
    refused("only safetensors is")
    assert there.asked_for("resolve") == 0


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("model.safetensors", 3 << 30, "at most"),
        ("run.json", 2 << 20, "at most"),
        ("samples.npy", 1 << 40, "at most"),
        ("model.safetensors", 1 << 30, "not what its config.json says"),
        ("snapshots/26/model.safetensors", 10, "not what its config.json says"),
    ],
)
def test_a_size_that_cannot_be_is_refused_before_the_download(there: FakeHub, name: str, size: int, words: str) -> None:
    there.put(REPO, under(BUNDLED, shipped(1)))
    there.lies[f"{BUNDLED}/{name}"] = size
    refused(words)
    assert there.asked_for("GET /ada/engines/resolve") <= 2
    assert there.asked_for("safetensors") == 0


def test_a_file_longer_than_it_was_listed_is_not_kept(there: FakeHub) -> None:
    files = shipped(0)
    there.put(REPO, under(BUNDLED, files | {"run.json": files["run.json"] + b" " * 5_000_000}))
    there.lies[f"{BUNDLED}/run.json"] = len(files["run.json"])
    refused("longer than the")


def test_a_cache_that_takes_nothing_costs_no_answer(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    there.put(REPO, under(BUNDLED, shipped(0)))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(client, "write_json", full)
    assert client.look(PLACE).live


def test_weights_that_are_not_those_listed(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    files = under(BUNDLED, shipped(0))
    there.put(REPO, files)
    listing = client.look(PLACE)
    name = f"{BUNDLED}/model.safetensors"
    there.repos[REPO][listing.commit][name] = files[name][:-4] + b"\0\1\2\3"
    monkeypatch.setattr(client, "look", lambda place: listing)
    refused("not what the Hub lists")
    there.repos[REPO][listing.commit][name] = files[name]
    assert pull(PLACE).title == BUNDLED  # the wrong ones were not left in the cache


def changed(name: str, **what: object) -> Files:
    return {name: json.dumps(json.loads(shipped(0)[name]) | what).encode()}


def garbled(shape: tuple[int, ...]) -> Files:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(shape, np.float16))
    return {"samples.npy": buffer.getvalue()}


def other_weights() -> Files:
    tensors = load_tensors(shipped(0)["model.safetensors"])
    name = next(name for name, value in tensors.items() if value.ndim == 2 and value.shape[0] != value.shape[1])
    return {"model.safetensors": save_tensors(tensors | {name: tensors[name].T.copy()})}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (changed("config.json", model="transporter"), "There is no model 'transporter'"),
        (changed("config.json", warp=9), "warp"),
        (changed("config.json", latent_dim=10**9), "latent_dim"),
        (changed("config.json", shape=[4096, 4096, 4096]), "not what its config.json says"),
        (changed("run.json", data="mnist"), "which mnist has not"),
        (changed("run.json", data="martian"), "There is no data set 'martian'"),
        (changed("run.json", settings={"lr": "fast"}), "lr"),
        (changed("run.json", settings=3), "not the plan of a run"),
        ({"config.json": b"../../../etc/passwd"}, "is not JSON"),
        ({"run.json": b"[" * 100_000}, "is not JSON"),
        ({"run.json": b"[]"}, "not the plan of a run"),
        ({"config.json": b"[]"}, "JSON object"),
        ({"metrics.jsonl": b'{"step": 1, "loss": "<script>"}\n'}, "other than numbers"),
        ({"metrics.jsonl": b'{"step": 1, "images": 64, "seconds": 0.1, "loss": 2.0}\n'}, "other than numbers"),
        ({"metrics.jsonl": b"{"}, "not a whole checkpoint"),
        ({"state.json": b'{"step": "many"}'}, "lacks its numbers"),
        ({"state.json": b"7"}, "not a whole checkpoint"),
        ({"measures.json": b'{"fid": [1]}'}, "measures.json"),
        ({"samples.npy": b"\x93NUMPY junk"}, "not a whole checkpoint"),
        (garbled((3, 1, 9, 9)), "no samples of its model"),
        ({"model.safetensors": b"\xff" * 101_960}, "not a whole checkpoint"),
        (other_weights(), "not a whole checkpoint"),
        ({"snapshots/26/config.json": b'{"model": "vae"}'}, "of another model"),
    ],
)
def test_a_repository_that_is_not_what_it_should_be(there: FakeHub, files: Files, words: str) -> None:
    there.put(REPO, under(BUNDLED, shipped(1) | files))
    refused(words)


def test_an_object_array_is_not_unpickled(there: FakeHub) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object))
    there.put(REPO, under(BUNDLED, shipped(0) | {"samples.npy": buffer.getvalue()}))
    refused("not a whole checkpoint")


NASTY: tuple[object, ...] = (
    None, True, -1, 10**400, 1e308, float("nan"), "", "x" * 5000, "../..", "\0", [], [[]], {}, {"a": {}}, [1, 8, 8]
)  # fmt: skip


@pytest.mark.parametrize("name", ["config.json", "run.json"])
def test_whatever_a_value_is_it_is_allowed_or_refused(name: str) -> None:
    files = {file: json.loads(shipped(0)[file]) for file in ("config.json", "run.json")}
    for key in files[name]:
        for value in NASTY:
            one = {**files, name: files[name] | {key: value}}
            try:
                plan = validate.plan_of(one["run.json"], one["config.json"], PLACE)
            except BadInput:
                continue
            assert Plan.of(json.loads(json.dumps(plan.json())), Path("run.json")) == plan
            assert len(plan.title) <= 80
            json.dumps(plan.json(), allow_nan=False)


@pytest.mark.parametrize("step", ["007", "1" * 5000, "٣", "-1"])
def test_a_snapshot_of_no_step_is_not_taken(there: FakeHub, step: str) -> None:
    there.put(REPO, under(BUNDLED, shipped(1) | {f"snapshots/{step}/model.safetensors": b"x"}))
    assert pull(PLACE).snapshots() == [26, 3300]


def test_a_title_is_only_words(there: FakeHub) -> None:
    there.put(REPO, under(BUNDLED, shipped(0) | changed("run.json", title="a ![x](http://spy/x.png) <b>$1\n`2`")))
    assert pull(PLACE).title == "a !x(http: //spy/x.png) b1 2"


def test_a_run_that_is_worked_on_is_left_alone(there: FakeHub) -> None:
    from genmodels.files import held

    there.put(REPO, under(BUNDLED, shipped(0)))
    run = pull(PLACE)
    there.put(REPO, under(BUNDLED, shipped(1)))
    with held(run.path):
        refused("being worked on")
    assert run.snapshots() == [3300]


# Lists ----------------------------------------------------------------------------------------------------------------


def test_the_list_downloads_no_weights(there: FakeHub) -> None:
    broken = shipped(0) | changed("config.json", warp=9)
    there.put(REPO, under("a/good", shipped(2)) | under("bad", broken) | under("half", {"model.safetensors": b""}))
    listing, (good, bad) = available(Place(REPO))
    assert (good.place.subfolder, good.model, good.data, good.problem) == ("a/good", "vae", "digits", "")
    assert good.measures["elbo_nats"] == ELBO
    assert good.size == sum(len(one) for one in shipped(2).values())
    assert good.created == store.Run(store.CHECKPOINTS / BUNDLED).plan.created
    assert "warp" in bad.problem
    assert listing.live
    assert there.asked_for("safetensors") == 0
    there.log.clear()
    assert [card.title for card in available(Place(REPO, subfolder="a"))[1]] == [BUNDLED]
    assert there.log == [f"GET /api/models/{REPO}"]


# Pushing --------------------------------------------------------------------------------------------------------------


pushing = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own


def never(run: store.Run) -> dict[str, float]:
    raise AssertionError("a bundled checkpoint has its measures")


@pushing
def test_a_push_says_first_what_it_would_send(there: FakeHub) -> None:
    said = push(store.bundled(), Place(REPO), never, dry_run=True)
    assert not there.repos
    assert {"README.md", f"{BUNDLED}/README.md", f"{BUNDLED}/model.safetensors"} <= {one.path for one in said}
    assert not [line for line in there.log if line.startswith(("POST", "PUT"))]
    sent = push(store.bundled(), Place(REPO), never)
    assert [one.path for one in sent] == [one.path for one in said]
    assert {one.path for one in sent} == there.files(REPO).keys() - {".gitattributes"}


@pushing
def test_what_is_pushed_is_what_is_pulled(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    original = store.Run(store.CHECKPOINTS / BUNDLED)
    there.put(REPO, {f"{BUNDLED}/snapshots/77/config.json": b"{}", "mine.txt": b"stays"} | under("old", shipped(0)))
    push([original], Place(REPO), never)
    files = there.files(REPO)
    assert f"{BUNDLED}/snapshots/77/config.json" not in files
    assert files["mine.txt"] == b"stays"
    run = pull(PLACE)
    assert run.metrics() == original.metrics()
    assert run.snapshots() == original.snapshots()
    assert (run.path / "model.safetensors").read_bytes() == (original.path / "model.safetensors").read_bytes()
    assert not [name for name, content in files.items() if TOKEN.encode() in content]
    top, own = ModelCard(files["README.md"].decode()), ModelCard(files[f"{BUNDLED}/README.md"].decode())
    assert "[old](old)" in top.text
    head = own.data.to_dict()
    assert (head["library_name"], head["datasets"]) == ("genmodels", ["digits"])
    assert top.data.to_dict()["library_name"] == "genmodels"
    found = {one["type"]: one["value"] for one in head["model-index"][0]["results"][0]["metrics"]}
    assert found["elbo_nats"] == ELBO
    assert not [name for name in found if name.endswith("_se")]
    assert f'from_pretrained("{REPO}", subfolder="{BUNDLED}")' in own.text


def test_two_processes_look_at_a_film_however_long(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at what it drew and one at its weights: one a moment takes a busy host a minute."""
    whole = (store.CHECKPOINTS / BUNDLED).rglob("*")
    files = {path.relative_to(store.CHECKPOINTS): path.read_bytes() for path in whole if path.is_file()}
    there.put(REPO, {str(name): content for name, content in files.items()})
    asked, call = [], apart.call
    monkeypatch.setattr(apart, "call", lambda name, *content, **how: asked.append(name) or call(name, *content, **how))
    assert len(pull(PLACE).frames()) > 30
    assert sorted(asked) == ["samples", "weights"]


@pushing
def test_a_push_that_may_not(there: FakeHub) -> None:
    for match, status, words in [
        ("POST /api/repos/create", 403, "token"),
        ("PUT /large", 403, "token"),
        (f"POST /api/models/{REPO}/commit", 429, "asked too often"),
    ]:
        there.faults[:] = [Fault(match, status)]
        with pytest.raises(BadInput, match=words):
            push(store.bundled(), Place(REPO), never)
    assert there.files(REPO).keys() == {".gitattributes"}
    with pytest.raises(BadInput, match="Nothing was named"):
        push([], Place(REPO), never)
    run = store.create("vae", "digits")
    with pytest.raises(BadInput, match="only a finished run"):
        push([run], Place(REPO), never)


# The command line -----------------------------------------------------------------------------------------------------


@pushing
def test_the_commands(
    there: FakeHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GENMODELS_HUB_REPO", REPO)
    assert main(["push", BUNDLED, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["sent"] is False
    assert main(["push", "--bundled"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["to"] == f"hf://{REPO}"
    assert main(["checkpoints", "--json"]) == 0
    names = [row["checkpoint"] for row in json.loads(capsys.readouterr().out)]
    assert {BUNDLED, str(PLACE)} <= set(names)
    assert main(["pull", BUNDLED]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == str(PLACE)
    assert main(["sample", str(PLACE), "-n", "3", "--out", str(tmp_path / "x.npy"), "--device", "cpu"]) == 0
    assert np.load(tmp_path / "x.npy").shape == (3, 1, 8, 8)
    capsys.readouterr()
    ship = tmp_path / "ship"
    words = ["export", str(PLACE), str(ship), "-n", "20", "-k", "0", "--snapshots", "2", "--device", "cpu"]
    assert main(words) == 0
    assert store.Run(ship).snapshots() == [26, 3300]
    assert "elbo_nats" in json.loads((ship / "measures.json").read_text())
    assert main(words) == 2
    assert "a new folder" in capsys.readouterr().err
    assert main(["pull", "hf://ada/nothing"]) == 2
    assert "is not on the Hub" in capsys.readouterr().err


# The page -------------------------------------------------------------------------------------------------------------

markup = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def checkpoints() -> AppTest:
    """The page, as the app opens it."""
    page = AppTest.from_file(APP, default_timeout=60)
    page.query_params["page"] = "checkpoints"
    return page.run()


def settled(page: AppTest) -> AppTest:
    """The page once its errands are done."""
    for errand in list(background._known.values()):
        assert errand.done.wait(30)
    page.run()
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    return " ".join(one.value for kind in (page.caption, page.info, page.warning, page.error) for one in kind)


@markup
def test_the_page_lists_pulls_and_says_what_it_shows(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_known", {})
    page = checkpoints()
    assert "GENMODELS_HUB_REPO" in texts(page)
    assert f"**{BUNDLED}**" in [link.label for link in page.get("page_link")]

    monkeypatch.setenv("GENMODELS_HUB_REPO", REPO)
    there.faults.append(Fault("GET /api", 503))
    page.run()
    assert "in trouble" in texts(settled(page))
    there.faults.clear()
    there.put(REPO, under(BUNDLED, shipped(1)))
    page.button(key="again").click().run()
    assert "holds now" in texts(settled(page))
    assert page.dataframe[0].value["measure"].tolist() == [headline(MEASURES)]
    assert there.asked_for("safetensors") == 0

    page.text_input(key="name").set_value(f"{PLACE}").run()
    page.button(key="pull-named").click().run()
    settled(page)
    run = pulled(PLACE)
    assert run is not None
    assert page.dataframe[0].value["here"].tolist() == [True]

    page.text_input(key="name").set_value("hf://ada/nothing").run()
    page.button(key="pull-named").click().run()
    assert "is not on the Hub" in texts(settled(page))

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    page.button(key="again").click().run()
    assert "cannot be reached" in texts(settled(page))
    assert len(page.dataframe[0].value) == 1


@markup
def test_visitors_of_a_space_pull_only_what_its_owner_offers(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    page = checkpoints()
    assert not page.exception
    assert not page.text_input


VAE_PAGE = str(Path(__file__).resolve().parents[1] / "pages/models/vae.py")


@markup
def test_a_link_to_the_hub_opens_on_the_model_s_page(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_known", {})
    there.put(REPO, under(BUNDLED, shipped(1)))
    page = AppTest.from_file(VAE_PAGE, default_timeout=60)
    page.query_params["run"] = str(PLACE)
    page.run()
    assert not page.exception
    assert not there.log  # nothing is asked for while a page is drawn
    page.button(key="pull-linked").click().run()
    settled(page)
    run = pulled(PLACE)
    assert run is not None
    assert page.query_params["run"] in (str(PLACE), [str(PLACE)])  # a link that others can open
    assert not [one for one in page.button if one.key == "pull-linked"]
    assert run.title in texts(page)


@markup
@pytest.mark.parametrize(
    ("name", "words"), [("hf://ada", "names nothing on the Hub"), ("hf://../../etc/passwd", "names nothing on the Hub")]
)
def test_a_link_to_nothing_is_said(there: FakeHub, name: str, words: str) -> None:
    page = AppTest.from_file(VAE_PAGE, default_timeout=60)
    page.query_params["run"] = name
    page.run()
    assert not page.exception
    assert words in texts(page)
    assert not there.log


@markup
def test_a_link_on_a_shared_host_reaches_its_own_repository_only(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    monkeypatch.setenv("GENMODELS_HUB_REPO", REPO)
    for repo, may in (("eve/huge", False), (REPO, True)):
        page = AppTest.from_file(VAE_PAGE, default_timeout=60)
        page.query_params["run"] = f"hf://{repo}/{BUNDLED}"
        page.run()
        assert not page.exception
        assert bool([one for one in page.button if one.key == "pull-linked"]) == may
        assert ("this host pulls from ada/engines only" in texts(page)) != may


@pytest.mark.parametrize(
    ("own", "revision", "may"),
    [("", "", True), ("", "@refs/pr/7", False), ("", f"@{'a' * 40}", False), ("@v2", "@v2", True), ("@v2", "", False)],
)
def test_a_shared_host_pulls_its_own_revision_only(
    own: str, revision: str, may: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may propose a change to a repository, and that is a revision of it."""
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    monkeypatch.setenv("GENMODELS_HUB_REPO", f"{REPO}{own}")
    offered: list[Place] = []
    monkeypatch.setattr(hub_buttons, "st", SimpleNamespace(info=lambda _: None))
    monkeypatch.setattr(hub_buttons, "pull_button", lambda place, *_: offered.append(place))
    place = Place.parse(f"hf://{REPO}{revision}/{BUNDLED}")
    with nullcontext() if may else pytest.raises(BadInput, match=f"this host pulls from {REPO}{own} only"):
        hub_buttons.on_the_hub(str(place))
    assert offered == ([place] if may else [])


def test_a_full_host_pulls_nothing_and_what_can_be_pulled_again_goes_first(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.put(REPO, under(BUNDLED, shipped()) | under("other", shipped()))
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    monkeypatch.setenv("GENMODELS_MIN_FREE_MB", "0")
    mine, came = store.create("vae", "digits"), pull(PLACE)
    monkeypatch.setenv("GENMODELS_MAX_DISK_MB", str(1.5 * disk.taken(came.path) / 1e6))
    refused("this disk is too full", Place(REPO, subfolder="other"))
    (mine.path / "ballast").write_bytes(bytes(disk.taken(came.path)))
    with pytest.raises(BadInput, match="full"):
        disk.make(mine)
    assert came.path.exists()  # somebody has just pulled it, to look at
    late = time.time() + 2 * disk.LOOKED_AT
    monkeypatch.setattr(time, "time", lambda: late)
    old = store.create("vae", "digits")
    old.say(status="finished")
    disk.make(mine)
    assert not came.path.exists()
    assert old.path.exists()


# Pipelines of diffusers -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of one, with random weights."""
    folder = tmp_path_factory.mktemp("pipeline") / "out"
    torch.manual_seed(0)
    diffusers.export(DDPM((3, 8, 8), network="unet2d", widths=(8, 16), depth=1, T=20), folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_pipeline_on_the_hub_becomes_a_run(there: FakeHub, pipeline: Files) -> None:
    there.put(REPO, {**under("butterflies", pipeline), **under(BUNDLED, shipped(1))})
    place = Place(REPO, subfolder="butterflies")
    _, cards = available(Place(REPO))
    assert [(card.place, card.model, card.problem) for card in cards] == [(place, "ddpm", ""), (PLACE, "vae", "")]
    assert there.asked_for("safetensors") == 0
    run = pull(place)
    assert run.model().sample(2, steps=2).shape == (2, 3, 8, 8)
    assert run.plan.origin == Origin(name=str(place), commit=there.heads[REPO, "main"])
    asked = len(there.log)
    assert resolve(str(place)) == run.path
    assert len(there.log) == asked


@pushing
def test_a_pipeline_that_went_through_the_hub_as_a_run(there: FakeHub, pipeline: Files) -> None:
    there.put("ada/theirs", pipeline)
    run = pull(Place("ada/theirs"))
    there.put(REPO, {})
    push([run], Place(REPO, subfolder="again"), lambda run: {})
    card = there.files(REPO)["again/README.md"].decode()
    assert "license" not in card
    assert "elsewhere" not in card.split("---")[1]
    assert "pull hf://ada/theirs" in card
    again = pull(Place(REPO, subfolder="again"))
    assert again.plan.data == "elsewhere"
    a, b = run.model().state_dict(), again.model().state_dict()
    assert all(np.allclose(a[key], b[key], atol=1e-3) for key in a)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unet/diffusion_pytorch_model.safetensors": None, "unet/diffusion_pytorch_model.bin": b"x"}, "safetensors"),
        ({"unet/diffusion_pytorch_model.safetensors": b"x" * 10}, "not what its config.json says"),
        ({"unet/config.json": b"[]"}, "not a JSON object"),
        ({"unet/config.json": b"{" * 2000}, "is not JSON"),
        ({"unet/config.json": b" " * (2 << 20)}, "MB are allowed"),
        ({"model_index.json": b'{"_class_name": "StableDiffusionPipeline"}'}, "StableDiffusionPipeline"),
    ],
    ids=["pickle", "size", "array", "broken", "large", "latent"],
)
def test_pipelines_that_cannot_be_used(
    there: FakeHub, pipeline: Files, change: dict[str, bytes | None], words: str
) -> None:
    files = {name: content for name, content in {**pipeline, **change}.items() if content is not None}
    there.put(REPO, files)
    refused(words, Place(REPO))
    assert words in available(Place(REPO))[1][0].problem
    assert there.asked_for("diffusion_pytorch_model") == 0


# Errands --------------------------------------------------------------------------------------------------------------


def test_an_errand_is_done_once_for_all(there: FakeHub) -> None:
    calls: list[int] = []

    def act(errand: background.Errand) -> int:
        errand.tell(0.5, "half")
        calls.append(1)
        return 7

    first = background.send("once", act, fresh=60)
    assert first.done.wait(10)
    assert background.send("once", act, fresh=60) is first
    assert (first.result, first.problem, calls) == (7, "", [1])
    bad = background.send("bad", lambda errand: pull(PLACE))
    assert bad.done.wait(30)
    assert "is not on the Hub" in bad.problem
    assert background.look("never") is None
    assert pulled(PLACE) is None
