"""A whole race on the workers of a server, from the click to the last measured snapshot: does it fit a lesson?"""

import argparse
import os
import sys
import tempfile
import time

MOST = 420.0  # seconds, of six families with five seeds each on two cores


def main() -> int:
    """Race, and print how it went; 1 where it took longer than :data:`MOST`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    parser.add_argument("--data", default="two-moons")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of training, of each run")
    parser.add_argument("--families", nargs="*", default=["vae", "flow", "ddpm", "autoregressive", "gan", "wgan"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GENMODELS_RUNS"] = folder
        return raced(options)


def raced(options: argparse.Namespace) -> int:
    """The race itself, in the folder that the environment names."""
    from genmodels.experiments.races import race, standings, tracing
    from genmodels.experiments.races.race import Budget
    from genmodels.jobs import queue, tasks
    from genmodels.runs import timing

    pool = queue.pool()
    try:
        begun = time.perf_counter()
        task = tasks.ask(race.paces, data=options.data, where=timing.device())
        assert task.wait(120), "the families were not timed"
        told = task.answer()
        paces = dict(zip(race.entrants(), told["seconds"].tolist(), strict=True))
        budget = Budget("seconds", options.seconds)
        steps = {name: budget.steps(paces[name], 1) for name in options.families}
        one, timed = race.start(options.data, steps, options.seeds, budget), time.perf_counter()
        learned = 0.0
        while True:
            now = standings.standing(one.id)
            if now.open and not tracing.is_traced(one.id):
                tasks.ask(tracing.trace, race=one.id, known=now.measured)
            if not now.is_going:
                learned = learned or time.perf_counter() - begun
                if not now.open:
                    break
            time.sleep(1.0)
        took = time.perf_counter() - begun
    finally:
        pool.close()
    floor = tracing.floor_of(one)
    print(f"{options.data}, {options.seconds:g} s a run; real points score {floor.value:.4f} ± {floor.se:.4f}")
    kl, w1 = standings.finals(now, "kl"), standings.finals(now, "sliced_w1")
    for name in options.families:
        exact = f"KL {kl[name].mean:.4f} ± {kl[name].se:.4f}" if name in kl else ""
        spent = [lane.seconds for lane in now.lanes if lane.family == name]
        print(
            f"{name:16s} {steps[name]:7,d} steps, {sum(spent) / len(spent):5.1f} s; "
            f"sliced W1 {w1[name].mean:.4f} ± {w1[name].se:.4f}, {w1[name].n} seeds; {exact}"
        )
    print(
        f"{len(now.lanes)} runs: timed after {timed - begun:.0f} s, learned after {learned:.0f} s, "
        f"{now.measured} snapshots measured after {took:.0f} s (at most {MOST:.0f})"
    )
    return int(took > MOST or any(lane.status != "finished" for lane in now.lanes))


if __name__ == "__main__":
    sys.exit(main())
