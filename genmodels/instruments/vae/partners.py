"""VAEs of the same data as another model, to stand beside it."""

from contextlib import suppress

from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.models.vae import VAE
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.text import quoted

__all__ = ["partner", "partners"]


def partners(data: str) -> dict[str, Plan]:
    """The VAEs of the data of this name, the ones that ship first: by id, what was asked for."""
    known = dict[str, Plan]()
    for run in (*store.bundled(), *store.every()):
        with suppress(BadInput):  # deleted in this instant
            if (plan := run.plan).model == "vae" and plan.data == data and (run.is_bundled or run.snapshots()):
                known[run.id] = plan
    return known


def partner(data: Data, name: str) -> VAE:
    """The VAE of the run ``name``.

    Raises:
        BadInput: If it is no VAE, or has learned from other data.
    """
    run = store.find(name)
    model = run.model()
    if not isinstance(model, VAE) or run.plan.data != data.name:
        raise BadInput(f"{quoted(name)} is no VAE of {data.name}: it is a {run.plan.model} of {run.plan.data}.")
    return model
