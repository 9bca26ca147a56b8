"""Small files are read once a change, and no change is missed."""

import os
import time
from pathlib import Path

import pytest

from genmodels import files
from genmodels.errors import BadInput


def test_a_text_is_read_once_a_change_and_no_change_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, reads, read = tmp_path / "state.json", list[Path](), Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self: (reads.append(self), read(self))[1])
    for step in range(100, 400):  # so fast that many have the same stamp
        files.write_json(path, {"step": step}, durable=False)
        assert files.read_json(path) == {"step": step}
    path.write_text('{"step": 400}')
    long_ago = time.time() - 60
    os.utime(path, (long_ago, long_ago))
    reads.clear()
    first = files.read_json(path)
    first["step"] = -1  # what is kept is the text
    assert [files.read_json(path) for _ in range(5)] == [{"step": 400}] * 5
    assert len(reads) == 1
    files.write_json(path, {"step": 401}, durable=False)
    assert files.read_json(path) == {"step": 401}
    path.unlink()
    with pytest.raises(BadInput, match="does not exist"):
        files.read_json(path)


def test_files_by_age_leave_out_what_is_gone(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path, when in ((new, 2_000_000_000), (old, 1_000_000_000)):
        path.write_text("")
        os.utime(path, (when, when))
    assert files.by_age([new, tmp_path / "gone", old]) == [old, new]


@pytest.mark.parametrize(
    ("told", "meant"), [(None, "here/runs"), ("", "here/runs"), ("~/x", "home/x"), ("y", "here/y")]
)
def test_the_folder_of_the_runs_is_read_as_a_person_writes_it(
    told: str | None, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GENMODELS_RUNS")
    if told is not None:
        monkeypatch.setenv("GENMODELS_RUNS", told)
    assert files.root() == (tmp_path / meant).resolve()
