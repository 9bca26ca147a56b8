"""Checkpoints that ship, measured again: each with all that its model and its data allow, all alike.

Whoever adds a measure, or changes how one is taken, measures them again, so that their cards can be compared::

    python -m genmodels.export.remeasure gan-mnist wgan-mnist-gp -n 10000
"""

import argparse

from genmodels.errors import BadInput
from genmodels.export.checkpoint import command, describe
from genmodels.host.threads import settle_threads
from genmodels.metrics.evaluate import measures
from genmodels.runs import store

__all__ = ["main"]


def main() -> None:
    """Measure checkpoints as `evaluate` does, and write what came out into each one's measures.json and README.md."""
    parser = argparse.ArgumentParser(prog="python -m genmodels.export.remeasure", description=main.__doc__)
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help="names of folders of checkpoints/")
    parser.add_argument("-n", type=int, default=10_000, help="test examples, and samples (default 10000, or all)")
    parser.add_argument("--samples", type=int, default=0, help="samples, where they are to be fewer than -n")
    parser.add_argument("-k", type=int, default=100, help="samples of a VAE's IWAE bound (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of all noise (default 0)")
    asked = parser.parse_args()
    known = {run.id: run for run in store.bundled()}
    for name in asked.checkpoints:
        if name not in known:
            parser.error(f"{name} is no checkpoint that ships: {', '.join(known)}.")
    settle_threads(many=True)
    try:
        for run in map(known.__getitem__, asked.checkpoints):
            how = {"n": asked.n, "k": asked.k, "seed": asked.seed, "samples": asked.samples}
            table = measures(run.model(), run.data(), **how)
            describe(run, command(run), table)
            print(f"{run.id}: {table['examples']:,} examples, {len(table)} numbers", flush=True)
    except BadInput as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
