"""A small Hub on loopback for the real client: repositories, commits, large files, uploads; and whatever goes wrong."""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

from genmodels.hub import errors


@dataclass
class Fault:
    """What happens to the next ``times`` requests whose "METHOD path" holds ``match``: error, half a body, wait."""

    match: str
    status: int = 0
    code: str = ""
    times: int = 1_000
    seconds: float = 0.0


class FakeHub:
    """Its state, which a test sets and reads."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}  # repository → branch or commit → path → content
        self.heads: dict[tuple[str, str], str] = {}
        self.faults: list[Fault] = []
        self.lies: dict[str, int] = {}  # sizes that are listed instead of the true ones, and files that are not there
        self.log: list[str] = []
        self.tokens: list[str | None] = []
        self.private = ""  # the token that everything needs
        self.large: dict[str, bytes] = {}
        self.url = ""
        self.jobs: dict[str, dict[str, Any]] = {}  # what was asked for, by id
        self.stages: list[str] = []  # of a job, one each time it is asked about; the last one stays
        self.lines: list[str] = []  # of a job's log
        self.users = {"hf_secret_of_a_test": "ada"}

    def put(self, repo: str, files: dict[str, bytes], branch: str = "main") -> str:
        """A commit that holds ``files`` and nothing else."""
        content = repr((repo, sorted(files.items()), len(self.repos.get(repo, {})))).encode()
        commit = hashlib.sha1(content).hexdigest()
        self.repos.setdefault(repo, {})[commit] = dict(files)
        self.heads[repo, branch] = commit
        return commit

    def files(self, repo: str, branch: str = "main") -> dict[str, bytes]:
        """What the newest commit holds."""
        return self.repos[repo][self.heads[repo, branch]]

    def asked_for(self, word: str) -> int:
        """How many requests had ``word`` in their method and path."""
        return sum(word in line for line in self.log)


@contextmanager
def serving() -> Iterator[FakeHub]:
    """A Hub at ``hub.url``."""
    hub = FakeHub()
    handler = type("Bound", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # of clients that have gone
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def known_alone(hub: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empties the Hub; the client knows it and nothing else, keeps its files in ``home`` and never waits."""
    url = hub.url
    hub.__init__()  # type: ignore[misc]
    hub.url = url
    for name, value in {
        "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": False,
    }.items():
        monkeypatch.setattr(constants, name, value)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "GENMODELS_HUB_REPO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(errors, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


class Handler(BaseHTTPRequestHandler):
    """One request; every answer ends its connection."""

    hub: FakeHub

    def do_HEAD(self) -> None:
        self.handle_one()

    def do_GET(self) -> None:
        self.handle_one()

    def do_POST(self) -> None:
        self.handle_one()

    def do_PUT(self) -> None:
        self.handle_one()

    def log_message(self, *arguments: Any) -> None:
        pass

    def handle_one(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {path}"
        self.hub.log.append(line)
        self.hub.tokens.append(self.headers.get("Authorization"))
        self.half = False
        for fault in self.hub.faults:
            if fault.match in line and fault.times > 0:
                fault.times -= 1
                if fault.seconds:
                    threading.Event().wait(fault.seconds)  # tests have taken time.sleep away
                    continue
                if fault.status:
                    return self.answer(b"no", fault.status, {"X-Error-Code": fault.code} if fault.code else {})
                self.half = True
        if self.hub.private and self.headers.get("Authorization") != f"Bearer {self.hub.private}":
            return self.answer(b"no", 401, {"X-Error-Code": "RepoNotFound"})
        if path == "/api/whoami-v2" or path.startswith("/api/jobs/"):
            self.work(path)
        elif self.command in ("GET", "HEAD"):
            self.read(path)
        else:
            self.change(path)

    def answer(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if self.half else content)

    def json(self, value: Any) -> None:
        self.answer(json.dumps(value).encode(), headers={"Content-Type": "application/json"})

    def work(self, path: str) -> None:
        """Who is there, and what runs on rented computers."""
        user = self.hub.users.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))
        if user is None:
            return self.answer(b"no", 401)
        if path == "/api/whoami-v2":
            return self.json({"type": "user", "name": user, "auth": {}, "orgs": []})
        if path == "/api/jobs/hardware":
            common = {"cpu": "4 vCPU", "ram": "15 GB", "accelerator": None, "unitLabel": "minute"}
            prices = {"cpu-basic": 0.0002, "a10g-small": 0.0167}
            return self.json(
                [
                    {"name": n, "prettyName": n, "unitCostMicroUSD": round(p * 1e6), "unitCostUSD": p, **common}
                    for n, p in prices.items()
                ]
            )
        if self.command == "POST":
            number = f"{len(self.hub.jobs) + 1:024x}"
            self.hub.jobs[number] = json.loads(self.body)
        else:
            number = path.split("/")[4]
        if number not in self.hub.jobs:
            return self.answer(b"no", 404)
        if path.endswith("/logs"):
            rows = [{"timestamp": f"2026-11-20T12:00:{i:02}.000Z", "data": x} for i, x in enumerate(self.hub.lines)]
            return self.answer("".join(f"data: {json.dumps(row)}\n\n" for row in rows).encode())
        spec = self.hub.jobs[number]
        stage = self.hub.stages.pop(0) if len(self.hub.stages) > 1 else (self.hub.stages or ["RUNNING"])[0]
        kept = {name: spec.get(name) for name in ("dockerImage", "command", "environment", "flavor")}
        who = {"id": "1", "name": user, "type": "user"}
        status = {"stage": stage, "message": "exit code 1" if stage == "ERROR" else None}
        self.json({"id": number, "createdAt": "2026-11-20T12:00:00.000Z", "owner": who, "status": status, **kept})

    def read(self, path: str) -> None:
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            repo, revision = found[1], found[2] or "main"
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repo, revision = found[1], found[2]
        else:
            return self.answer(b"", 404, {"X-Error-Code": "EntryNotFound"})
        if repo not in self.hub.repos:
            return self.answer(b"", 404, {"X-Error-Code": "RepoNotFound"})
        commit = self.hub.heads.get((repo, revision), revision)
        if commit not in self.hub.repos[repo]:
            return self.answer(b"", 404, {"X-Error-Code": "RevisionNotFound"})
        files = self.hub.repos[repo][commit]
        if path.startswith("/api/"):
            sizes = {name: len(content) for name, content in files.items()} | self.hub.lies
            siblings = [listed(name, size, files.get(name, b"")) for name, size in sizes.items()]
            what = {"id": repo, "sha": commit, "lastModified": "2026-11-20T12:00:00.000Z", "siblings": siblings}
            return self.json(what | {"private": False, "tags": [], "downloads": 0})
        name = found[3]
        if name not in files:
            return self.answer(b"", 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        content = files[name]
        self.answer(content, headers={"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": commit})

    def change(self, path: str) -> None:
        if self.command == "PUT":
            self.hub.large[path.rpartition("/")[2]] = self.body
            return self.answer(b"")
        if path.endswith("/commit/main"):
            return self.commit(path.split("/commit/")[0].removeprefix("/api/models/"))
        asked = json.loads(self.body)
        if path == "/api/repos/create":
            repo = f"{asked.get('organization') or 'ada'}/{asked['name']}"
            if repo not in self.hub.repos:
                self.hub.put(repo, {".gitattributes": b""})
            self.json({"url": f"{self.hub.url}/{repo}", "id": repo, "name": repo})
        elif path == "/api/validate-yaml":
            self.json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            large = lambda name: "lfs" if name.endswith(".safetensors") else "regular"  # noqa: E731
            ready = [{"path": f["path"], "uploadMode": large(f["path"]), "shouldIgnore": False} for f in asked["files"]]
            self.json({"files": ready})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}}}
                for one in asked["objects"]
            ]
            self.json({"transfer": "basic", "objects": objects})
        else:
            self.answer(b"", 404)

    def commit(self, repo: str) -> None:
        files = dict(self.hub.files(repo))
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            match line["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = self.hub.put(repo, files)
        self.json({"commitOid": commit, "commitUrl": f"{self.hub.url}/{repo}/commit/{commit}", "hookOutput": ""})


def listed(name: str, size: int, content: bytes) -> dict[str, Any]:
    """A file as the Hub lists it."""
    if name.endswith(".safetensors"):
        lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 130}
        return {"rfilename": name, "size": size, "blobId": "0" * 40, "lfs": lfs}
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {"rfilename": name, "size": size, "blobId": blob}
