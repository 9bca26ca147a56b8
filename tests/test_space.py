"""The app on a host of many visitors: what it says of itself, its limits, its Dockerfile, the folder that is pushed."""

import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from genmodels.data import mnist
from genmodels.errors import BadInput
from genmodels.host import health as space
from genmodels.host import limits, ownership, threads
from genmodels.host.limits import LIMITS, NONE, limit
from genmodels.instruments.samples import samples
from genmodels.jobs import queue, tasks
from genmodels.jobs.watchdog import Watched
from genmodels.jobs.worker import Worker
from genmodels.runs import disk, store
from genmodels.runs.store import Run
from pages._ui.server import health

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"hidden": 16, "depth": 1}


@pytest.fixture(autouse=True)
def _host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of one's own, whatever the environment of the tests says."""
    for name in ("SPACE_ID", "ACCELERATOR", "CPU_CORES", "MEMORY", "GENMODELS_SHARED"):
        monkeypatch.delenv(name, raising=False)
    for name in LIMITS:
        monkeypatch.delenv(f"GENMODELS_{name}", raising=False)
    monkeypatch.setattr(ownership, "_who", lambda: None)


def new(steps: int = 100_000, **settings: object) -> Run:
    return store.create("vae", "digits", arguments=SMALL, settings={"steps": steps, "batch_size": 32} | settings)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docker" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What it says of itself -----------------------------------------------------------------------------------------------


def test_a_space_says_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SPACE_ID": "ada/lab", "CPU_CORES": "2", "MEMORY": "16Gi", "ACCELERATOR": "none"}.items():
        monkeypatch.setenv(name, value)
    assert space.hardware() == "2 CPU cores, 16 GB of memory, no GPU"
    monkeypatch.setenv("ACCELERATOR", "t4-small")
    assert space.hardware().endswith("GPU: t4-small")


def test_another_machine_is_asked_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(space, "CGROUP", tmp_path)
    found = re.fullmatch(r"(\d+) CPU cores, (\d+) GB of memory, (no GPU|\d+ GPUs?)", space.hardware())
    assert found
    assert int(found[1]) == len(os.sched_getaffinity(0))
    assert int(found[2]) >= 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, 16),
        ({"cpu.max": "max 100000\n"}, 16),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "6400000 100000\n"}, 16),
        ({"cpu.max": "not a quota"}, 16),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "0\n"}, 16),
    ],
)
def test_a_containers_quota_counts_and_not_the_cores_of_its_node(
    told: dict[str, str], expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(space, "CGROUP", tmp_path)
    (tmp_path / "cpu").mkdir()
    for name, text in told.items():
        (tmp_path / name).write_text(text)
    assert space.cores() == threads.Share().seen == expected


def test_a_space_begins_a_worker_for_each_of_its_cores_and_not_of_its_nodes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(space, "CGROUP", tmp_path)
    monkeypatch.setattr(queue, "Path", lambda _: tmp_path)  # no device of NVIDIA's
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    monkeypatch.setenv("CPU_CORES", "1.5")
    assert queue.devices() == [None, None]
    assert space.hardware().startswith("1.5 CPU cores")


MOUNTS = """\
20 1 0:19 / / rw,relatime - overlay overlay rw,lowerdir=/a
21 20 0:20 / /dev/shm rw - tmpfs tmpfs rw
22 20 8:1 / /data rw,relatime shared:1 - fuse.bucket bucket rw
23 20 8:2 / /my\\040disk rw - ext4 /dev/sda2 rw
"""


@pytest.mark.parametrize(
    ("folder", "kept"),
    [
        ("/home/user/runs", False),
        ("/data/runs", True),
        ("/data", True),
        ("/database/runs", False),
        ("/dev/shm/runs", False),
        ("/my disk/runs", True),
    ],
)
def test_what_lies_on_a_volume_is_kept(folder: str, kept: bool) -> None:
    assert space.is_kept(Path(folder), MOUNTS) == kept


def test_a_machine_without_containers_keeps_everything() -> None:
    assert space.is_kept(Path("/runs"), "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n")


def test_a_space_says_whether_runs_outlive_its_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    assert space.keeping() == ""
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    monkeypatch.setattr(space, "is_kept", lambda folder: True)
    assert "kept on a volume" in space.keeping()
    monkeypatch.setattr(space, "is_kept", lambda folder: False)
    assert "lost when this Space sleeps" in space.keeping()
    assert time.strftime("%Y", time.gmtime(space.STARTED)) in space.keeping()


def test_after_a_wake_what_was_running_is_found_and_goes_on() -> None:
    """The workers vanish without a word; the next server, on the same volume, finds the run and resumes it."""
    run, waits = new(), new()
    queue.submit(run)
    code = "from genmodels.jobs.worker import Worker\nw = Worker(most=1)\nwhile True: w.turn()"
    asleep = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    end = time.monotonic() + 120
    while run.state().step < 3 and time.monotonic() < end:
        time.sleep(0.05)
    queue.submit(waits)
    asleep.kill()
    asleep.wait()
    assert run.state().status == "interrupted"
    assert "Resume goes on" in run.state().message
    here = run.state().step
    server = queue.Pool(1)
    try:
        queue.resume(run)
        while (run.state().step <= here or waits.state().step == 0) and time.monotonic() < end:
            time.sleep(0.05)
        assert run.state().step > here
        assert waits.state().step > 0  # what only waited goes on by itself
    finally:
        server.close()


# Health ---------------------------------------------------------------------------------------------------------------


def asked() -> tuple[int, dict[str, object]]:
    answer = health.answer(None)  # type: ignore[arg-type]
    return answer.status_code, json.loads(bytes(answer.body))


def test_health_counts_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_pool", None)
    new()
    assert asked() == (200, {"status": "ok", "version": "0.1.0", "runs": 1, "workers": 0})
    monkeypatch.setattr(queue, "alive", lambda: 2)
    assert asked()[1]["workers"] == 2


def test_health_answers_while_the_queue_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genmodels.jobs.queue", ModuleType("genmodels.jobs.queue"))
    assert asked()[0] == 200
    assert asked()[1]["workers"] == 0


def test_health_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(queue, "alive", lambda: 0)
    assert asked()[0] == 503
    monkeypatch.setattr(queue, "alive", lambda: None)
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "file" / "runs"))
    code, says = asked()
    assert code == 503
    assert "set GENMODELS_RUNS" in str(says["status"])
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_MAX_STEPS", "many")
    code, says = asked()
    assert code == 503
    assert says["status"] == "GENMODELS_MAX_STEPS = 'many' is not a number from 0 up, or inf for no limit."


def test_the_pool_says_how_many_workers_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_pool", None)
    assert queue.alive() is None
    lives, ended = (Watched(lambda _, word=word: subprocess.Popen(["sleep", word])) for word in ("60", "0"))
    ended.process.wait()
    monkeypatch.setattr(queue, "_pool", SimpleNamespace(workers=[lives, ended]))
    try:
        assert queue.alive() == 1
    finally:
        lives.process.kill()
        lives.process.wait()


# Limits ---------------------------------------------------------------------------------------------------------------


def test_a_limit_has_two_defaults_and_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limit("MAX_STEPS") == NONE
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    assert limits.is_shared()
    assert limit("MAX_STEPS") == LIMITS["MAX_STEPS"].shared < NONE
    monkeypatch.setenv("GENMODELS_MAX_STEPS", "12")
    assert limit("MAX_STEPS") == 12
    monkeypatch.setenv("GENMODELS_MAX_STEPS", "inf")
    assert limit("MAX_STEPS") == NONE
    monkeypatch.setenv("GENMODELS_SHARED", "0")
    assert limit("MAX_SECONDS") == NONE
    monkeypatch.delenv("SPACE_ID")
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    assert limit("MAX_SECONDS") < NONE


@pytest.mark.parametrize("text", ["many", "-1", "nan", "1e", "1,000"])
def test_what_is_no_limit_is_said(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GENMODELS_KEEP_HOURS", text)
    with pytest.raises(BadInput, match=f"GENMODELS_KEEP_HOURS = '{text}' is not"):
        limits.check()


def test_every_limit_is_used_and_documented() -> None:
    source = "".join(path.read_text() for part in ("genmodels", "pages") for path in (ROOT / part).rglob("*.py"))
    assert set(re.findall(r"\blimit\(\s*[\"'](\w+)[\"']\)", source)) == set(LIMITS)
    assert limits.table() in (ROOT / "docs/deploy.md").read_text(), "write limits.table() into docs/deploy.md"
    assert not re.findall(
        r"environ[^\n]*GENMODELS_MAX", source.replace((ROOT / "genmodels/host/limits.py").read_text(), "")
    )


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    monkeypatch.setattr(ownership, "_who", lambda: "a" * 40)


@pytest.mark.usefixtures("visitor")
def test_a_visitor_has_so_many_runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_RUNS_A_VISITOR", "2")
    three = [new(1000) for _ in range(3)]
    queue.submit(three[0])
    queue.submit(three[1])
    with pytest.raises(BadInput, match="You have 2 runs that wait or run: stop one first, 2 are a visitor's"):
        queue.submit(three[2])
    assert not three[2].path.exists()  # else pressing Train would fill the disk
    queue.resume(three[1])  # it is in the queue already, and is no other
    monkeypatch.setattr(ownership, "_who", lambda: "b" * 40)
    queue.submit(new(1000))  # somebody else
    monkeypatch.setattr(ownership, "_who", lambda: "a" * 40)
    queue.stop(three[0])
    queue.submit(new(1000))
    monkeypatch.setenv("GENMODELS_MAX_WAITING", "3")
    monkeypatch.setattr(ownership, "_who", lambda: "c" * 40)
    with pytest.raises(BadInput, match="3 runs wait or run already"):
        queue.submit(new(1000))


def test_a_model_too_large_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_PARAMETERS", "1e6")
    start = time.process_time()
    with pytest.raises(BadInput, match=r"This model has 4\d\.\d million parameters: this host allows 1\.0 million"):
        store.create("vae", "mnist", arguments={"hidden": 2048, "depth": 6})
    assert time.process_time() - start < 5
    assert not list(store.root().glob("*"))
    parent = new(10)
    monkeypatch.setenv("GENMODELS_MAX_PARAMETERS", "100")
    model = parent.training().model
    model.save(parent.path / "snapshots" / "0")
    with pytest.raises(BadInput, match="million parameters"):
        store.fork(parent, 0, arguments={"hidden": 2048})


def test_the_batch_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_BATCH", "64")
    with pytest.raises(BadInput, match="batch_size = 128 is more than the 64"):
        queue.submit(new(10, batch_size=128))


def test_epochs_are_limited_as_steps_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_STEPS", "20")
    run = new(0, epochs=1000.0)
    queue.submit(run)
    worker = Worker()
    while run.state().status in ("queued", "running"):
        worker.turn()
    assert run.state().status == "stopped"
    assert "gives a run 20 steps" in run.state().message
    assert 20 <= run.state().step < 1000
    exact = new(20)
    queue.submit(exact)
    while exact.state().status in ("queued", "running"):
        worker.turn()
    assert exact.state().status == "finished"


def test_a_paused_run_that_nobody_looks_at_gives_its_place_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_IDLE_SECONDS", "60")
    run, worker = new(), Worker()
    run.seen()
    os.utime(run.path / ".seen", (time.time() - 90,) * 2)
    queue.submit(run)
    while run.state().status in ("queued", "running"):
        worker.turn()
    assert "Paused: nobody" in run.state().message
    worker.turn()
    assert run.state().status == "paused"
    os.utime(run.path / ".seen", (time.time() - 150,) * 2)
    worker.turn()
    assert run.state().status == "paused"  # this computer slept: a page has its time to show the run again
    worker.jobs[0].since -= 61
    worker.turn()
    assert run.state().status == "stopped"
    assert "Stopped: nobody" in run.state().message
    assert not worker.jobs


def test_old_runs_make_room_on_a_shared_host_only(monkeypatch: pytest.MonkeyPatch) -> None:
    old, older, fresh = new(), new(), new()
    for run, hours in ((old, 50), (older, 90), (fresh, 1)):
        state = json.loads((run.path / "state.json").read_text()) | {"heartbeat": time.time() - hours * 3600}
        (run.path / "state.json").write_text(json.dumps(state))
        (run.path / "ballast").write_bytes(bytes(600_000))
    monkeypatch.setenv("GENMODELS_MAX_DISK_MB", "1.5")
    monkeypatch.setenv("GENMODELS_KEEP_HOURS", "48")
    with pytest.raises(BadInput, match="nearly full: delete a run first"):
        queue.submit(fresh)
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    queue.submit(fresh)
    assert not older.path.exists()
    assert old.path.exists()
    assert disk.taken(store.root()) < 1.5e6
    monkeypatch.setenv("GENMODELS_MAX_KEPT", "1")
    queue.submit(fresh)
    assert not old.path.exists()
    monkeypatch.setenv("GENMODELS_MAX_DISK_MB", "0.5")
    with pytest.raises(BadInput, match="delete a run of yours first"):
        queue.submit(fresh)
    assert fresh.path.exists()  # too fresh to be forgotten


@pytest.mark.usefixtures("visitor")
def test_a_visitor_waits_for_so_many_computations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_TASKS_A_VISITOR", "2")
    asked = []
    for seed in range(3):
        asked.append(tasks.ask(samples, run="vae-digits-2d", n=1, seed=seed))
        os.utime(asked[-1].path, (1000 + seed,) * 2)
    assert [one.state().status for one in asked] == ["cancelled", "queued", "queued"]
    monkeypatch.setattr(ownership, "_who", lambda: "b" * 40)
    tasks.ask(samples, run="vae-digits-2d", n=1, seed=9)
    assert asked[1].state().status == "queued"
    with pytest.raises(BadInput, match="may cancel it"):
        asked[1].cancel()


def test_a_computation_has_so_many_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_TASK_SECONDS", "0")
    task, worker = tasks.ask(samples, run="ddpm-digits", n=4096, seed=0), Worker()
    while task.state().status in ("queued", "running"):
        worker.turn()
    assert task.state().status == "failed"
    assert "gives a computation 0 seconds" in task.state().message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux caps a process's own memory")
def test_a_run_that_asks_for_more_memory_fails_and_its_worker_goes_on() -> None:
    big, small = new(3, batch_size=16_384), new(3)
    queue.submit(big)
    queue.submit(small)
    code = f"""
import resource, torch
torch.set_num_threads(1)
from genmodels.host import limits
from genmodels.runs import store as runs
from genmodels.jobs.worker import Worker
import genmodels.training.loop
whole = genmodels.training.loop.Training.__init__
def hungry(self, model, data, settings, **kwargs):
    whole(self, model, data, settings, **kwargs)
    if settings.batch_size == 16384:
        torch.empty(4 * 10**9, dtype=torch.uint8)
genmodels.training.loop.Training.__init__ = hungry
runs.find({small.id!r}).training()  # what every worker holds
limits.spare_the_server(on_cpu=True)
assert resource.getrlimit(resource.RLIMIT_DATA)[0] == 3 * 10**9
assert open("/proc/self/oom_score_adj").read().strip() == "500"
worker = Worker()
while any(runs.find(name).state().status in ("queued", "running") for name in ({big.id!r}, {small.id!r})):
    worker.turn()
"""
    environment = os.environ | {"GENMODELS_MAX_MEMORY_MB": "3000"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=200)
    assert big.state().status == "failed"
    assert "out of memory: use a smaller batch" in big.state().message
    assert small.state().status == "finished"


# The Dockerfile -------------------------------------------------------------------------------------------------------

KNOWN = {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "CMD"}
NO_PLACE = re.compile(r"(?<![\w$}.:-])/(?:usr|opt|app|home|root|etc|var|tmp)\b")


def lint(text: str) -> set[str]:
    """What is wrong with a Dockerfile, by rule."""
    steps = script("check").steps(text)
    names = [name for name, _ in steps]
    every = {name: [rest for kind, rest in steps if kind == name] for name in KNOWN}
    runs_, last = " ; ".join(every["RUN"]), {name: len(names) - 1 - names[::-1].index(name) for name in set(names)}
    copies = [i for i, name in enumerate(names) if name == "COPY"]
    rules = {
        "known instructions": set(names) <= KNOWN,
        "one pinned base": every["FROM"] == ["$BASE"]
        and names[:2] == ["ARG", "FROM"]
        and bool(re.fullmatch(r"BASE=[\w/.-]+:(?!latest)[\w.-]+(@sha256:[0-9a-f]{64})?", steps[0][1])),
        "one command, in brackets": len(every["CMD"]) == 1 and every["CMD"][0].startswith("["),
        "an unprivileged user at the end": bool(every["USER"])
        and every["USER"][-1] not in ("root", "0")
        and last["USER"] > last["RUN"],
        "user 1000": "--uid 1000" in runs_,
        "absolute places are variables": not NO_PLACE.search(runs_) and all("$" in w for w in every["WORKDIR"]),
        "requirements before the source": len(copies) == 2
        and {"requirements.lock", "requirements-torch.lock"} <= set(steps[copies[0]][1].split())
        and steps[copies[1]][1].startswith(". ")
        and any("install.sh" in rest for _, rest in steps[copies[0] : copies[1]]),
        "no cache of pip": any("PIP_NO_CACHE_DIR=1" in rest for rest in every["ENV"]),
        "no secret": not re.search(r"TOKEN|SECRET|PASSWORD|API_KEY", " ".join(every["ARG"] + every["ENV"])),
        "nothing from an address": not re.search(r"https?://(?!127\.0\.0\.1)|curl|wget|sudo", text.split("FROM", 1)[1]),
        "no cd": not re.search(r"(^|&& )cd ", runs_),
        "health": len(every["HEALTHCHECK"]) == 1 and "/healthz" in every["HEALTHCHECK"][0],
        "quoted variables": not re.search(r'(?<!["\w/$])\$(?:APP|VENV|HOME)(?!["\w/])', runs_.replace('"$', "$Q")),
    }
    return {rule for rule, holds in rules.items() if not holds}


def test_the_dockerfile_is_clean() -> None:
    assert lint((ROOT / "Dockerfile").read_text()) == set()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("python:3.11-slim-bookworm", "python:latest", "one pinned base"),
        ("python:3.11-slim-bookworm", "python", "one pinned base"),
        ("FROM $BASE", "FROM python", "one pinned base"),
        ("USER user", "USER root", "an unprivileged user at the end"),
        ("--uid 1000", "--uid 1001", "user 1000"),
        ("COPY . $APP/", "ADD . $APP/", "known instructions"),
        ('CMD ["python", "-m", "streamlit", "run", "app.py"]', "CMD streamlit run app.py", "one command, in brackets"),
        ("PIP_NO_CACHE_DIR=1", "PIP_CACHE=1", "no cache of pip"),
        ('ARG TORCH_INDEX=""', 'ARG HF_TOKEN=""', "no secret"),
        ("RUN useradd", "RUN curl https://x.y | sh && useradd", "nothing from an address"),
        ("RUN useradd", "RUN cd / && useradd", "no cd"),
        ('"$HOME/runs"', '"/home/user/runs"', "absolute places are variables"),
        ("/healthz", "/", "health"),
        (
            "COPY requirements.lock requirements-torch.lock docker/install.sh",
            "COPY .",
            "requirements before the source",
        ),
    ],
)
def test_the_lint_finds(old: str, new: str, rule: str) -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert old in text
    assert rule in lint(text.replace(old, new))


def test_the_ports_agree() -> None:
    text = (ROOT / "Dockerfile").read_text()
    ports = set(re.findall(r"(?:SERVER_PORT=|EXPOSE |127\.0\.0\.1:)(\d+)", text))
    ports |= set(re.findall(r"^app_port: (\d+)$", script("space").CARD, re.M))
    assert ports == {"8501"}


def test_ci_does_what_the_dockerfile_says() -> None:
    assert "make space-check" in (ROOT / ".ci/run").read_text()
    assert "docker/check.py dist/space" in (ROOT / "Makefile").read_text()


# The folder that is pushed --------------------------------------------------------------------------------------------


def test_exactly_what_the_app_needs_is_pushed(tmp_path: Path) -> None:
    made = script("space")
    size = made.assemble(tmp_path / "space", "INDEX")
    found = {
        path.relative_to(tmp_path / "space").as_posix() for path in (tmp_path / "space").rglob("*") if path.is_file()
    }
    assert found == {*made.files(), "README.md"}
    assert {
        "app.py",
        "requirements.txt",
        "requirements.lock",
        "requirements-torch.lock",
        ".streamlit/config.toml",
        "Dockerfile",
        "LICENSE",
        "docker/install.sh",
        *(f"genmodels/data/_mnist/{name}.xz" for name in mnist.FILES),
        "genmodels/data/_mnist/NOTICE.md",
    } <= found
    assert {name.split("/")[0] for name in found if "/" in name} == {
        "pages", "genmodels", "checkpoints", "experiments", ".streamlit", "docker"
    }  # fmt: skip
    assert not any("__pycache__" in name or name.endswith((".pyc", "secrets.toml")) for name in found)
    assert 10e6 < size < 200e6
    assert 'ARG TORCH_INDEX="INDEX"' in (tmp_path / "space/Dockerfile").read_text()
    assert made.assemble(tmp_path / "space") == size - len("INDEX")  # anew, over the last one
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.tex").touch()
    with pytest.raises(SystemExit, match="holds something else"):
        made.assemble(tmp_path / "other")
    assert (tmp_path / "other/thesis.tex").exists()


def test_its_readme_is_what_the_hub_reads() -> None:
    _, front, text = script("space").readme().split("---\n", 2)
    values = dict(line.split(": ", 1) for line in front.splitlines() if ": " in line)
    assert values["sdk"] == "docker"
    assert values["license"] == "mit"
    assert len(values["short_description"]) <= 60
    assert values["colorFrom"] in (colors := ["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"])
    assert values["colorTo"] in colors
    assert text.strip().startswith("# genmodels")
    assert "](docs/" not in text


def test_the_dockers_context_is_that_folder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert allowed == set(script("space").PARTS) - {"Dockerfile", ".dockerignore"} | {"README.md"}


# What is installed ----------------------------------------------------------------------------------------------------

STUB = """#!/bin/sh
case "$*" in
  *importlib.metadata*) exit $INSTALLED ;;
  *urlopen*) exit $SILENT ;;
  *) echo "$*" >> "$CALLS" ;;
esac
"""


@pytest.mark.parametrize(
    ("installed", "silent", "index", "torch_from_index"),
    [
        (True, False, "INDEX", False),
        (False, False, "INDEX", True),
        (False, True, "INDEX", False),
        (False, False, "", False),
    ],
)
def test_torch_for_cpus_is_taken_where_its_index_answers(
    tmp_path: Path, installed: bool, silent: bool, index: str, torch_from_index: bool
) -> None:
    if Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia/version").exists():
        torch_from_index = False  # this machine has a GPU
    python, calls = tmp_path / "python", tmp_path / "calls"
    python.write_text(STUB)
    python.chmod(0o755)
    answers = {"INSTALLED": str(int(not installed)), "SILENT": str(int(silent)), "CALLS": str(calls)}
    command = ["sh", "docker/install.sh", str(python), "."]
    environment = os.environ | answers | {"TORCH_INDEX": index}
    said = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stderr
    made = calls.read_text().splitlines()
    asked = " -r ./requirements.lock" + " -r ./requirements-torch.lock" * (not installed and not torch_from_index)
    assert made[-1].endswith(f"--require-hashes{asked}")
    assert ("--no-deps --index-url INDEX torch==" in made[0]) == torch_from_index
    assert len(made) == 1 + torch_from_index
    assert bool(said) != installed
    assert ("does not answer" in said) == (silent and "driver of NVIDIA's is here:" not in said)


def test_the_server_gives_a_shared_hosts_visitor_a_cookie_and_answers_healthz() -> None:
    from pages._ui.server.cookie import Cookie

    async def app(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]

    async def get(**headers: str) -> dict[str, str]:
        sent: list[dict[str, list[tuple[bytes, bytes]]]] = []

        async def send(message: dict[str, list[tuple[bytes, bytes]]]) -> None:
            sent.append(message)

        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await Cookie(app)({"type": "http", "method": "GET", "headers": pairs}, None, send)  # type: ignore[arg-type]
        return {name.decode(): value.decode() for name, value in sent[0]["headers"]}

    assert "set-cookie" not in asyncio.run(get(accept="text/html"))
    os.environ["SPACE_ID"] = "ada/lab"
    try:
        first, second = (asyncio.run(get(accept="text/html")) for _ in range(2))
        assert first["set-cookie"] != second["set-cookie"]
        assert first["cache-control"] == "private, no-cache"
        for word in ("HttpOnly", "Secure", "SameSite=None", "Partitioned"):
            assert word in first["set-cookie"]
        assert "set-cookie" not in asyncio.run(get(accept="text/html", cookie=first["set-cookie"].split(";")[0]))
        assert "set-cookie" in asyncio.run(get(accept="text/html", cookie="genmodels_visitor=made-up"))
        assert "set-cookie" not in asyncio.run(get(accept="image/png"))
    finally:
        del os.environ["SPACE_ID"]
