"""Posterior collapse: it happens under the preset's settings, and each cure changes what it says and nothing else."""

import pytest
import torch

from genmodels.data.datasets import Data
from genmodels.instruments.vae import collapse as instruments
from genmodels.metrics import likelihood
from genmodels.metrics.floors import chosen
from genmodels.models.vae import VAE
from genmodels.runs import store
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings

PRESET = next(one for one in VAE.presets if "collapse" in one.title)


def learned(data: Data, steps: int = 400, **changes: object) -> VAE:
    torch.manual_seed(0)
    model = VAE(data.shape, **PRESET.model | changes)
    for _ in fit(Training(model, data, Settings(steps=steps))):
        pass
    return model.eval()


def test_the_preset_collapses_and_free_bits_wake_every_dimension(digits: Data) -> None:
    dead = instruments.usage(learned(digits), digits)
    assert dead.active == 0
    assert dead.latent_dim == 16
    assert dead.kl.max() < 0.01
    awake = instruments.usage(learned(digits, free_bits=0.25), digits)
    assert awake.active >= 14
    assert awake.kl.min() > 0.05


@pytest.mark.parametrize(
    ("prior", "told"), [("normal", ", and a fixed width costs each at least 0.318 nats"), ("vamp", "")]
)
def test_of_fixed_width_q_is_judged_by_its_means(prior: str, told: str, digits: Data) -> None:
    """Its KL is above 0 also where it says nothing: ½ (σ² − 1 − ln σ²)."""
    model = VAE(digits.shape, latent_dim=4, hidden=16, q_sigma=0.5, prior=prior).eval()
    *_, last = model.encoder[-1]
    last.bias.data.zero_()
    last.weight.data[1:] = 0  # the first mean alone moves
    last.weight.data[0] = 1
    used = instruments.usage(model, digits, 200)
    assert used.conclusion() == f"1 of 4 posterior means moves{told}."
    if prior == "normal":
        assert used.kl[1:] == pytest.approx(used.fixed, abs=1e-6)


@pytest.mark.parametrize("prior", ["normal", "mixture", "flow"])
def test_usage_is_what_the_metrics_say(prior: str, digits: Data) -> None:
    torch.manual_seed(0)
    model = VAE(digits.shape, latent_dim=3, hidden=16, prior=prior).eval()
    found = instruments.usage(model, digits, 100)
    x = digits.prepare(chosen(digits.test, 100, 0).x, model.inputs)
    assert found.active == likelihood.active_units(model, x)
    assert len(found.kl) == (1 if prior == "flow" else 3)
    if prior == "normal":
        assert found.kl.sum() == pytest.approx(likelihood.elbo(model, x).kl.mean().item(), rel=1e-6)


def test_a_cure_changes_the_price_of_the_kl_and_nothing_else() -> None:
    run = store.create("vae", "digits", arguments={"latent_dim": 5, "beta": 7.0, "objective": "elbo"})
    plan = run.plan
    made = {name: store.create(**arguments).plan for name, arguments in instruments.cures(plan).items()}
    assert list(made) == list(instruments.CURES)
    price = {"beta", "anneal", "free_bits"}
    for name, one in made.items():
        assert one.settings == plan.settings
        assert one.data == plan.data
        differs = {key for key, value in one.arguments.items() if value != plan.arguments[key]}
        assert differs <= price
        assert {key: one.arguments[key] for key in price} == instruments.CURES[name][0]
    assert len({tuple(sorted((k, v) for k, v in one.arguments.items() if k in price)) for one in made.values()}) == 4
