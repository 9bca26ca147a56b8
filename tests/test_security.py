"""What SECURITY.md promises: names, sizes, text, other people's runs, and secrets."""

import ast
import io
import json
import logging
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.export import checkpoint
from genmodels.host import ownership
from genmodels.instruments.samples import samples
from genmodels.jobs import queue, tasks
from genmodels.runs import store
from genmodels.runs.store import Run
from genmodels.text import quoted, titled
from pages._ui.server import cookie, preload

ROOT = Path(__file__).resolve().parents[1]
ADA, EVE = "ada" * 14, "eve" * 14
LINK = "![x](https://evil.example/x.png) [y](https://evil.example) <img src=x onerror=alert(1)>"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "GENMODELS_SHARED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ownership, "_who", lambda: None)
    monkeypatch.setattr(preload, "start", lambda: None)


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """On a shared host, say who acts."""
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    return lambda who: monkeypatch.setattr(ownership, "_who", lambda: who)


def new(title: str = "", steps: int = 100) -> Run:
    return store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": steps}, title=title)


def page(path: str, **link: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    test.switch_page(path)
    for name, value in link.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def everything(test: AppTest) -> str:
    """All text of a page that is shown as Markdown."""
    kinds = (test.title, test.header, test.subheader, test.caption, test.markdown, test.warning, test.error, test.info)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


# Names from outside ---------------------------------------------------------------------------------------------------

LEAVING = [
    "../x",
    "/etc/passwd",
    "a/b",
    "..",
    ".",
    "",
    ".queue",
    ".owner",
    "x" * 101,
    "a\x00b",
    "a\nb",
    "~root",
    "ü",
    "C:\\x",
]


@pytest.mark.parametrize("name", LEAVING)
def test_no_name_leaves_its_folder(name: str) -> None:
    before = set(store.root().parent.rglob("*"))
    with pytest.raises(BadInput):
        store.find(name)
    with pytest.raises(BadInput):
        store.create(name, "digits")
    with pytest.raises(BadInput):
        store.create("vae", name)
    with pytest.raises(BadInput):
        tasks.function_of(name)
    with pytest.raises(BadInput):
        datasets.load(name)
    assert set(store.root().parent.rglob("*")) == before


def test_a_task_lies_where_its_hash_says(tmp_path: Path) -> None:
    task = tasks.ask(samples, run="../../etc", n=1)
    assert task.path.parent == tasks.folder()
    assert re.fullmatch(r"[0-9a-f]{32}", task.id)


@pytest.mark.parametrize("name", ["../../etc/passwd", LINK, "vae-digits-2d/../x"])
def test_a_link_to_no_run_is_named_and_harmless(name: str) -> None:
    text = everything(page("pages/models/vae.py", run=name))
    assert "is not a name" in text
    assert "](" not in text.replace("](docs/", "")
    assert "<img" not in text


def test_a_run_that_a_space_has_forgotten_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    monkeypatch.setattr("genmodels.host.health.is_kept", lambda folder: False)
    text = everything(page("pages/models/vae.py", run="vae-digits-20260101-000000-abcdef"))
    assert "There is no run" in text
    assert "began with an empty disk" in text


# Sizes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strokes",
    [
        [[[0.5, 0.5]] * 10_001],
        [[[0.5, 0.5]]] * 101,
        [[[1e308 * 10, 0.5]]],
        [[[10**400, 0.5]]],
        [[[[[[0.5]]]]]],
        "x" * 10_000_000,
        [[["__import__('os')", 0.5]]],
    ],
    ids=["points", "strokes", "infinite", "huge", "nested", "text", "code"],
)
def test_a_drawing_that_is_none_makes_no_run(strokes: object) -> None:
    start = time.process_time()
    with pytest.raises(BadInput) as caught:
        store.create("vae", "drawing", data_arguments={"strokes": strokes})
    assert len(str(caught.value)) < 300
    assert time.process_time() - start < 2
    assert not store.root().exists() or not list(store.root().iterdir())


@pytest.mark.parametrize("value", [10**400, -1, 1e999, "9" * 10_000, [[]], {"a": 1}, None, float("nan")])
def test_a_number_that_is_none_makes_no_run(value: object) -> None:
    for arguments, settings in (({"hidden": value}, {}), ({}, {"batch_size": value}), ({}, {"steps": value})):
        with pytest.raises(BadInput) as caught:
            store.create("vae", "digits", arguments=arguments, settings=settings)
        assert len(str(caught.value)) < 300
    assert not store.root().exists() or not list(store.root().iterdir())


def test_uploads_and_messages_are_small() -> None:
    text = (ROOT / ".streamlit/config.toml").read_text()
    assert int(re.findall(r"^maxUploadSize = (\d+)", text, re.M)[0]) <= 10
    assert int(re.findall(r"^maxMessageSize = (\d+)", text, re.M)[0]) <= 50
    assert "enableXsrfProtection" not in text  # it is off on a Space alone
    assert "ENABLE_XSRF_PROTECTION=false" in (ROOT / "Dockerfile").read_text()
    assert "enableCORS" not in text + (ROOT / "Dockerfile").read_text()


# Text -----------------------------------------------------------------------------------------------------------------


def test_a_title_is_text_and_nothing_else() -> None:
    run = new(LINK)
    assert not set(run.title) & set("[]<>`$|\\*")
    run.rename(f"# {LINK}\n\n---\n$\\href{{javascript:alert(1)}}{{x}}$")
    assert not set(run.title) & set("[]<>`$|\\*\n")
    assert len(run.title) <= 80
    assert titled("\u202e\x00\x1b[31m") == "31m"  # no direction, no control characters
    assert json.loads((run.path / "run.json").read_text())["title"] == run.title


def test_what_is_quoted_is_no_markup() -> None:
    text = quoted(LINK)
    assert len(text) <= 70
    assert not re.search(r"\]\(|\]\[|\]:|<", text)
    with pytest.raises(BadInput) as caught:
        store.create("vae", "digits", arguments={"prior": LINK})
    assert "](" not in str(caught.value)


def test_a_page_shows_a_hostile_title_and_value_as_text() -> None:
    run = new(LINK)
    for test in (page("pages/lab/runs.py"), page("pages/models/vae.py", run=run.id, prior=LINK, hide=LINK)):
        text = everything(test)
        assert "evil.example" in text  # it is shown …
        assert not re.search(r"\]\(https://evil|<img", text)  # … and is no link, picture or tag


HTML = {  # what stands in the HTML that pages write, and why nothing from outside can be in it
    "pages/_ui/classroom/wall.py": {
        "share": "a number",
        "where": "numbers",
        "who": "escaped",
        "alt": "of who and where",
        "picture": "base64",
        "drawn": "of alt and picture",
        "bar": "of share",
        "' large' if large else ''": "one of two words",
        "''.join(tiles)": "of all these",
        "shown": "escaped",
        "title": "escaped",
        "caption": "of title",
    },
    "pages/_ui/views/common/film.py": {"shown": "a number", "label": "words of the page", "spans": "of labels"},
    "pages/_ui/views/autoregressive/theory.py": {"OF_ONE": "numbers of an equation"},
    "pages/_ui/page/page.py": {"LARGE": "a style sheet of the page"},
    "pages/_ui/page/symbols.py": {
        "NO_LETTERS": "an expression, no HTML",
        "part[0]": "of code that is escaped",
        "one.ink": "a word of the page",
        "known[part[0]]": "a word of the page",
    },
    "pages/_ui/page/theory.py": {"letters": "escaped", "highlighted(code, symbols)": "escaped"},
    "pages/lab/wall.py": {"wall.code": "letters, checked where it is read", "len(hung)": "a number"},
}


def html(path: Path) -> set[str]:
    """The expressions in a page's f-strings that have tags in them, but for those that are escaped on the spot."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            if re.search(r"<\s*/?[a-zA-Z!]", text):
                found |= {ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)}
    return {one for one in found if not one.startswith("escape(")}


def test_no_page_lets_html_through() -> None:
    for path in [ROOT / "app.py", *(ROOT / "pages").rglob("*.py")]:
        assert html(path) <= set(HTML.get(path.relative_to(ROOT).as_posix(), {})), (
            f"{path}: escape it, or say in HTML why it is harmless"
        )
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert not any(word.arg == "unsafe_allow_html" for word in node.keywords), path
                if ast.unparse(node.func) == "st.html" and path.name != "app.py":
                    assert isinstance(node.args[0], ast.JoinedStr), f"{path}: where does this HTML come from?"
    assert "who = run.state(), escape(entry.who)" in (ROOT / "pages/_ui/classroom/wall.py").read_text()
    written = re.compile(r"outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    for path in (ROOT / "pages").rglob("*.js"):
        assert not written.search(path.read_text()), path
        for line in re.findall(r"innerHTML.*", path.read_text()):
            assert re.match(r"innerHTML = (`[^`]*`|\"[^\"]*\"|'[^']*');$", line), f"{path}: {line}"
            assert set(re.findall(r"\$\{([^}]*)\}", line)) <= {"style"}, f"{path}: {line}"  # a colour, as computed


# Other people's runs --------------------------------------------------------------------------------------------------

DRIVES: dict[str, Callable[[Run], object]] = {
    "train": queue.submit,
    "resume": queue.resume,
    "pause": queue.pause,
    "step": queue.step,
    "slow": lambda run: queue.slow(run, 1.0),
    "lr": lambda run: queue.set_lr(run, 1e-4),
    "stop": queue.stop,
    "rename": lambda run: run.rename("mine"),
    "delete": lambda run: run.delete(),
}


def content(run: Run) -> dict[str, bytes]:
    files = [path for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(run.path).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("what", DRIVES)
def test_only_the_browser_that_made_a_run_may_drive_it(acts: Callable[[str | None], None], what: str) -> None:
    acts(ADA)
    run = new()
    before = content(run)
    acts(EVE)
    assert not ownership.may(run.path)
    with pytest.raises(BadInput, match="Only the browser that made this run may"):
        DRIVES[what](run)
    assert content(run) == before
    acts(ADA)
    DRIVES[what](run)
    assert not run.path.exists() or content(run) != before


@pytest.mark.parametrize("what", DRIVES)
def test_the_owner_of_the_machine_may_do_everything(
    acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    acts(ADA)
    run = new()
    acts(None)  # the command line, a worker
    assert ownership.may(run.path)
    acts(EVE)
    monkeypatch.setenv("GENMODELS_SHARED", "0")  # and anybody on a machine that is not shared
    DRIVES[what](run)


def test_a_run_of_the_command_line_is_no_visitors(acts: Callable[[str | None], None]) -> None:
    acts(None)
    run = new()
    assert not (run.path / ownership.OWNER).exists()
    acts(EVE)
    with pytest.raises(BadInput, match="may delete it"):
        run.delete()
    bundled = store.find("vae-digits-2d")
    with pytest.raises(BadInput):
        bundled.rename("mine")


def test_a_fork_is_its_makers(acts: Callable[[str | None], None]) -> None:
    acts(EVE)
    child = store.fork(store.find("vae-digits-2d"), store.find("vae-digits-2d").snapshots()[0])
    assert ownership.owns(child.path)
    acts(ADA)
    assert not ownership.owns(child.path)


def test_the_owners_token_is_nowhere_and_its_hash_does_not_travel(acts: Callable[[str | None], None]) -> None:
    acts(ADA)
    run = new()
    queue.submit(run)
    assert ADA not in "".join(value.decode("utf-8", "replace") for value in content(run).values())
    mark = (run.path / ownership.OWNER).read_text()
    assert re.fullmatch(r"[0-9a-f]{64}", mark)
    (run.path / "metrics.jsonl").touch()
    with zipfile.ZipFile(io.BytesIO(checkpoint.zipped(run))) as file:
        assert file.namelist()
        assert not [
            name for name in file.namelist() if ownership.OWNER in name or mark in file.read(name).decode("latin1")
        ]


def test_a_stranger_is_shown_no_buttons_that_would_drive_a_run(acts: Callable[[str | None], None]) -> None:
    acts(ADA)
    run = new("ada's")
    acts(EVE)
    strangers = page("pages/lab/runs.py")
    drives = [f"{act}-{run.id}" for act in ("resume", "pause", "stop")]
    assert not {*drives} & {button.key for button in strangers.button}
    live = page("pages/models/vae.py", run=run.id)
    assert "made in another browser" in everything(live)
    assert not {"resume", "pause", "stop", "step-once"} & {button.key for button in live.button}
    acts(ADA)
    assert drives[0] in {button.key for button in page("pages/lab/runs.py").button}
    assert "resume" in {button.key for button in page("pages/models/vae.py", run=run.id).button}


def test_a_browser_is_known_by_its_cookie_or_else_while_its_tab_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    cookies = {cookie.COOKIE: ADA}
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: cookies))
    assert cookie.acting() is None  # no page runs here

    def draws() -> None:
        import streamlit as st

        from pages._ui.server import cookie

        st.text(cookie.acting())

    assert AppTest.from_function(draws, default_timeout=60).run().text[0].value == ADA
    cookies[cookie.COOKIE] = "made up"
    first, second = (
        AppTest.from_function(draws, default_timeout=60).run(),
        AppTest.from_function(draws, default_timeout=60).run(),
    )
    assert cookie.TOKEN.fullmatch(first.text[0].value)
    assert first.text[0].value != second.text[0].value
    assert first.run().text[0].value == first.text[0].value


# Secrets --------------------------------------------------------------------------------------------------------------


def test_the_hubs_token_is_in_no_run_log_or_page(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "hf_" + "s3cr3t" * 6
    monkeypatch.setenv("HF_TOKEN", secret)
    caplog.set_level(logging.DEBUG)
    run = new(steps=20)
    queue.submit(run)
    pool = queue.Pool(1)
    try:
        end = time.monotonic() + 120
        while run.state().status != "finished" and time.monotonic() < end:
            time.sleep(0.05)
        assert run.state().status == "finished"
        environ = Path(f"/proc/{pool.workers[0].process.pid}/environ")
        if environ.exists():
            assert b"OMP_NUM_THREADS" in environ.read_bytes()
            assert secret.encode() not in environ.read_bytes()  # a worker is not even told
    finally:
        pool.close()
    shown = [everything(page(path)) for path in ("pages/lab/runs.py", "pages/lab/checkpoints.py")]
    written = [path.read_bytes() for path in store.root().rglob("*") if path.is_file()]
    printed = "".join(capfd.readouterr()) + caplog.text
    assert len(written) > 5
    assert secret not in printed + "".join(shown)
    assert not [one for one in written if secret.encode() in one]


def test_the_command_line_says_no_token_when_it_fails() -> None:
    secret = "hf_" + "s3cr3t" * 6
    environment = os.environ | {"HF_TOKEN": secret, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "genmodels", "pull", "hf://ada/engines/vae"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 2
    assert "cannot be reached" in done.stderr
    assert secret not in done.stdout + done.stderr


def test_a_shared_hosts_errors_show_no_code() -> None:
    assert "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS=type" in (ROOT / "Dockerfile").read_text()


# The document ---------------------------------------------------------------------------------------------------------


def test_every_promise_of_security_md_has_its_test() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`((?:browser/)?test_\w+)\.py::(test_\w+)`", text)
    assert len(named) > 25
    for module, name in named:
        assert f"def {name}(" in (ROOT / "tests" / f"{module}.py").read_text(), f"{module}::{name}"
    ours = set(re.findall(r"^def (test_\w+)\(", Path(__file__).read_text(), re.M))
    assert ours - {name for _, name in named} == {"test_every_promise_of_security_md_has_its_test"}
