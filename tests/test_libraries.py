"""What importing read of the libraries goes back, and nothing that was written."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from genmodels.host import libraries

SMAPS = """\
7f0000000000-7f0000002000 r-xp 00001000 fe:00 260131                     /usr/lib/libcode.so.13
Size:                  8 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
7f0000010000-7f0000011000 r--p 00003000 fe:00 260131                     /usr/lib/lib with a space.so
Rss:                   4 kB
Anonymous:             0 kB
7f0000020000-7f0000021000 r--p 00004000 fe:00 260131                     /usr/lib/librelocated.so
Anonymous:             4 kB
7f0000030000-7f0000031000 rw-p 00005000 fe:00 260131                     /usr/lib/libwritable.so
Anonymous:             0 kB
7f0000040000-7f0000041000 r--p 00000000 fe:00 260132                     /home/weights.safetensors
Anonymous:             0 kB
7f0000050000-7f0000051000 r--p 00000000 00:00 0
Anonymous:             0 kB
7ffff0000000-7ffff0001000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
"""

COMPUTED = """
import torch
from genmodels.host import libraries

def resident():
    return sum(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssFile"))

x = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
layer = torch.nn.Linear(32, 32)
before = layer(x)
many = resident()
for _ in range(3):
    libraries.give_back()
    few = resident()
    assert torch.equal(layer(x), before)
print(few / many)
"""


def test_only_what_is_as_its_librarys_file_is_may_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "smaps").write_text(SMAPS)
    monkeypatch.setattr(libraries, "SMAPS", tmp_path / "smaps")
    assert list(libraries._unwritten()) == [(0x7F0000000000, 0x7F0000002000), (0x7F0000010000, 0x7F0000011000)]


@pytest.mark.parametrize("elsewhere", ["another system", "no /proc", ""])
def test_elsewhere_nothing_happens(elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not say what is resident, none of its functions is called; where it does, some are."""
    calls: list[object] = []
    (tmp_path / "smaps").write_text(SMAPS if elsewhere != "no /proc" else "")
    monkeypatch.setattr(libraries, "SMAPS", tmp_path / ("none" if elsewhere == "no /proc" else "smaps"))
    monkeypatch.setattr(libraries.sys, "platform", "darwin" if elsewhere == "another system" else "linux")
    monkeypatch.setattr(libraries.ctypes, "CDLL", lambda _: SimpleNamespace(madvise=Called(calls)))
    libraries.give_back()
    assert bool(calls) == (elsewhere == "")


class Called:
    """A function of the system that does nothing but say that it was called."""

    def __init__(self, calls: list[object]) -> None:
        self.calls = calls

    def __call__(self, *arguments: object) -> None:
        self.calls.append(arguments)


@pytest.mark.skipif(not libraries.SMAPS.exists(), reason="Linux says what is resident, this system does not")
def test_most_of_what_the_import_read_goes_and_the_rest_goes_on_computing() -> None:
    done = subprocess.run([sys.executable, "-c", COMPUTED], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.5
