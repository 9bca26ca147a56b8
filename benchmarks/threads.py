"""A DDPM of MNIST on every core, on a quiet machine and beside a busy process: ``python -m benchmarks.threads``.

How threads wait is read when PyTorch is imported, so each measurement is a process of its own, started with what every
training of ours is started with, and they take turns. It is wall-clock time, and says something only where nothing else
runs: where something does, that is said first.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from genmodels.host import allocator
from genmodels.host.threads import ENVIRONMENT

GAIN, SLOWER = 1.6, 1.3  # times as fast as one thread, quiet; and as slow, beside one busy process
QUIET = 0.9  # of a core that a process must get, or something else runs
WAYS: dict[str, dict[str, str]] = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "as it runs here": {},
    "always two, sleeping": ENVIRONMENT | {"ALWAYS": "1"},
    "always two, spinning": {"ALWAYS": "1"},
}
"""Ways to wait; the last is PyTorch's own, and is measured only on a quiet machine: beside another it takes minutes."""

WORK = """
import sys, time
start = time.perf_counter()
import os
from genmodels.data import datasets as data
from genmodels import random
from genmodels.host.threads import looking_again, settle_threads
from genmodels.models.ddpm import DDPM
from genmodels.training.settings import Settings
from genmodels.training.loop import Training

preset = next(one for one in DDPM.presets if one.data == "mnist")
training = Training(DDPM((1, 28, 28), **preset.model), data.load("mnist"), Settings.of(DDPM.defaults | preset.training))
training.step()
if "ALWAYS" not in os.environ:
    settle_threads(many=True)
start = time.perf_counter()
for _ in looking_again(range(int(sys.argv[1]))):
    training.step()
spent = time.perf_counter() - start
model = training.model.eval()
model.sample(64, rng=random.generator(0), steps=2)
start = time.perf_counter()
model.sample(64, rng=random.generator(0))
print(spent, time.perf_counter() - start)
"""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but take a core."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def share(seconds: float = 1.0) -> float:
    """How much of a core a process gets that wants all of one, the least of as many as there are cores."""
    code = f"""
import time
end, start = time.perf_counter() + {seconds}, time.process_time()
while time.perf_counter() < end:
    pass
print((time.process_time() - start) / {seconds})
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(os.cpu_count() or 1)
    ]
    return min(float(process.communicate()[0]) for process in processes)


def seconds(way: str, steps: int) -> tuple[float, float]:
    """Seconds that ``steps`` training steps take, and 64 samples."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    command = [sys.executable, "-c", WORK, str(steps)]
    environment = clean | allocator.ENVIRONMENT | WAYS[way]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    training, sampling = map(float, done.stdout.split())
    return training, sampling


def compared(ways: list[str], steps: int, rounds: int) -> dict[str, tuple[float, float]]:
    """How many times as long as on one thread training and sampling take: medians of rounds by turns."""
    spent = [{way: seconds(way, steps) for way in ways} for _ in range(rounds)]
    found = {}
    for way in ways:
        own = [[one[way][i] for one in spent] for i in range(2)]
        ratios = [statistics.median(one[way][i] / one["one thread"][i] for one in spent) for i in range(2)]
        found[way] = (ratios[0], ratios[1])
        print(f"{way:26s} {steps} steps {min(own[0]):6.2f} s, {ratios[0]:5.2f} × one thread's", end="")
        print(f"; 64 samples {min(own[1]):6.2f} s, {ratios[1]:5.2f} ×", flush=True)
    return found


def main() -> int:
    """Print both tables; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    if cores == 1:
        print("one core: there is nothing to share")
        return 0
    given = share()
    if given < QUIET:
        print(f"NOT QUIET: a process gets {given:.0%} of a core here; what follows says little")
    print(f"\nquiet, {cores} cores")
    start = time.perf_counter()
    quiet = compared(list(WAYS), options.steps, options.rounds)
    print(f"\nbeside one busy process, {time.perf_counter() - start:.0f} s later")
    with busy(1):
        beside = compared([way for way in WAYS if "spinning" not in way], options.steps, options.rounds)
    failed = []
    for i, what in enumerate(("training", "sampling")):
        if (gain := 1 / quiet["as it runs here"][i]) < GAIN:
            failed.append(f"{what} on {cores} quiet cores is only {gain:.2f} × as fast as on one, not {GAIN} ×")
        if (slower := beside["as it runs here"][i]) > SLOWER:
            failed.append(f"{what} beside a busy process takes {slower:.2f} × as long as on one thread, not {SLOWER} ×")
    print("\n" + ("\n".join(failed) or "all bounds hold"))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
