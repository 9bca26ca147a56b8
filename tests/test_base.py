"""The contract of a model, asked of every model in MODELS, on pictures and on the plane; and of the ways in and out."""

import inspect
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from genmodels import random
from genmodels.data import datasets
from genmodels.data.datasets import TRANSFORMS, Data
from genmodels.errors import BadInput
from genmodels.hub.pretrained import from_pretrained
from genmodels.hyperparameters import Between, Hyperparameter, Numbers, Only, Switch, check, declared
from genmodels.models import MODELS, model_class
from genmodels.models.base import GenerativeModel, build, load, only
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from tests.resumption import never_paused

DATA = ("digits", "eight-gaussians")
QUICK: dict[str, dict[str, Any]] = {  # arguments for a model whose default is large only to be good, or of other data
    "autoregressive": {"levels": 17},
}
EVERY = [(name, data) for name in MODELS for data in DATA]


def make(name: str, data: str, seed: int = 0, **arguments: Any) -> GenerativeModel:
    torch.manual_seed(seed)
    shape = datasets.DATASETS[data].shape
    return build({"model": name, "shape": list(shape), **QUICK.get(name, {}), **arguments})


def batch(model: GenerativeModel, data: str, n: int = 16) -> tuple[Tensor, Tensor]:
    loaded = datasets.load(data)
    x, y = loaded.train.x[:n], loaded.train.y[:n]
    return loaded.prepare(x, model.inputs, random.generator(0)), y


def losses(model: GenerativeModel, data: str) -> dict[str, Tensor]:
    """Every player's loss on one batch with one noise."""
    x, y = batch(model, data)
    return {player: model.loss(x, y, player=player, rng=random.generator(1))["loss"] for player in model.players()}


def others(name: str, data: str, one: Hyperparameter) -> list[Any]:
    """Values that a hyperparameter may take beside the one that the tests use anyway: a near number, or every word."""
    usual = QUICK.get(name, {}).get(one.name, one.default)
    if one.name == "classes":  # the labels of a batch must fit
        return [len(datasets.DATASETS[data].classes)]
    match one.rule:
        case Between(low, high):
            return [one.type(low if low != usual else min(low + (1 if one.type is int else 0.5), high))]
        case Only(options):
            return [word for word in options if word != usual]
        case Numbers(fewest=fewest, low=low, high=high):
            count = max(2, fewest)
            return [tuple(low + (high - low) * i / (count - 1) for i in range(count))]
        case Switch():
            return [not usual]


EVERY_VALUE = [
    pytest.param(name, data, {one.name: value}, id=f"{name}-{data}-{one.name}={value}")
    for name, data in EVERY
    for one in declared(MODELS[name].cls).values()
    for value in others(name, data, one)
]


# The contract ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_a_model_says_what_it_is(name: str, data: str) -> None:
    model, entry = make(name, data), MODELS[name]
    assert model.name == name
    assert entry.title
    assert entry.family
    assert entry.idea.endswith(".")
    assert model.inputs in TRANSFORMS
    assert set(model.turns()) == set(model.players())
    assert all(one.help for one in declared(type(model)).values())
    json.dumps(model.config)


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_terms_are_finite_scalars_and_the_loss_can_be_followed(name: str, data: str) -> None:
    model = make(name, data)
    x, y = batch(model, data)
    for player in model.players():
        terms = model.loss(x, y, player=player, rng=random.generator(1))
        assert "loss" in terms
        assert terms["loss"].requires_grad
        for term, value in terms.items():
            assert value.shape == (), term
            assert value.isfinite(), term


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_gradients_reach_all_of_a_player_and_nothing_else(name: str, data: str) -> None:
    model = make(name, data)
    x, y = batch(model, data)
    players = model.players()
    for player, part in players.items():
        model.zero_grad(set_to_none=True)
        with only(model, player):
            model.loss(x, y, player=player, rng=random.generator(1))["loss"].backward()
        own = {id(p) for p in part.parameters()}
        for parameter_name, p in model.named_parameters():
            if id(p) in own and p.requires_grad:
                assert p.grad is not None, parameter_name
                assert p.grad.isfinite().all(), parameter_name
            else:
                assert p.grad is None, parameter_name


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_optimizers_share_out_all_parameters(name: str, data: str) -> None:
    model = make(name, data)
    held = [p for player in model.players() for g in model.optimizer(player, 1e-3).param_groups for p in g["params"]]
    assert len({id(p) for p in held}) == len(held), "two optimizers move one parameter"
    assert {id(p) for p in held} >= {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.parametrize(("name", "data"), EVERY)
@pytest.mark.parametrize("n", [1, 5])
def test_samples_are_in_data_space(name: str, data: str, n: int) -> None:
    model = make(name, data).eval()
    x = model.sample(n, rng=random.generator(0))
    assert x.shape == (n, *model.shape)
    assert x.dtype == torch.float32
    assert not x.requires_grad
    assert x.isfinite().all()
    if model.is_image:
        assert 0 <= x.min() <= x.max() <= 1


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_the_seed_decides_the_samples_bit_for_bit(name: str, data: str) -> None:
    model = make(name, data).eval()
    first, again, other = (model.sample(3, rng=random.generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_all_noise_is_drawn_from_the_generator_given(name: str, data: str) -> None:
    model = make(name, data).eval()
    before = torch.get_rng_state()
    first, again = losses(model, data), losses(model, data)
    model.sample(2, rng=random.generator(0))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[player], again[player]) for player in first)


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_noise_is_shared_out_by_rows(name: str, data: str) -> None:
    """The mean of two processes' losses, half the batch each, is the loss of one: so they train the same model."""
    model = make(name, data).eval()
    x, y = batch(model, data)
    for player in model.players():
        whole = model.loss(x, y, player=player, rng=random.generator(1))["loss"]
        halves = [
            model.loss(x_, y_, player=player, rng=random.generator(1, rank=rank, world=2))["loss"]
            for rank, (x_, y_) in enumerate(zip(x.chunk(2), y.chunk(2), strict=True))
        ]
        assert sum(halves).item() / 2 == pytest.approx(whole.item(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_sampling_leaves_the_model_as_it_was(name: str, data: str) -> None:
    model = make(name, data).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.sample(2, rng=random.generator(0))
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("name", MODELS)
def test_half_precision_networks_give_finite_losses(name: str) -> None:
    model = make(name, "digits")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = losses(model, "digits")
    assert all(loss.isfinite() for loss in found.values())
    assert all(loss.dtype == torch.float32 for loss in found.values())
    exact = losses(model, "digits")
    assert all(found[k].item() == pytest.approx(exact[k].item(), rel=0.05, abs=0.05) for k in exact)


@pytest.mark.parametrize(("name", "data", "arguments"), EVERY_VALUE)
def test_every_declared_value_works_and_is_saved(
    name: str, data: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    """Each hyperparameter, changed alone: it is refused by name, or it trains and comes back from disk."""
    (changed,) = arguments
    try:
        model = make(name, data, **arguments)
    except BadInput:
        with pytest.raises(BadInput, match=changed):
            make(name, data, **arguments)
        return
    found = losses(model, data)
    for player, loss in found.items():
        assert loss.isfinite()
        parameters = [p for p in model.players()[player].parameters() if p.requires_grad]
        gradients = torch.autograd.grad(loss, parameters)  # raises where a parameter has no part in the loss
        assert all(g.isfinite().all() for g in gradients)
    model.save(tmp_path)
    again = load(tmp_path)
    assert again.config == model.config
    assert again.config[changed] == arguments[changed]
    expected = {k: v.item() for k, v in losses(model.eval(), data).items()}
    assert {k: v.item() for k, v in losses(again, data).items()} == expected


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_a_saved_model_is_the_same_model(name: str, data: str, tmp_path: Path) -> None:
    model = make(name, data).eval()
    model.save(tmp_path)
    again = load(tmp_path)
    assert type(again) is type(model)
    assert not again.training
    assert again.config == model.config
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items())
    assert torch.equal(again.sample(2, rng=random.generator(0)), model.sample(2, rng=random.generator(0)))


# Training -------------------------------------------------------------------------------------------------------------


def energy_distance(a: Tensor, b: Tensor) -> float:
    """2 E|A − B| − E|A − A'| − E|B − B'| (Székely & Rizzo 2013): 0 for one distribution, more for two."""
    a, b = a.flatten(1), b.flatten(1)
    within = [torch.cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b)]
    return (2 * torch.cdist(a, b).mean() - sum(within)).item()


def badness(model: GenerativeModel, loaded: Data) -> float:
    """What training should lower: the held-out loss; players' losses say nothing, so there it is a distance."""
    x, y = loaded.test.x[:500], loaded.test.y[:500]
    model.eval()
    if len(model.players()) > 1:
        return energy_distance(model.sample(500, rng=random.generator(0)), loaded.prepare(x, "unit"))
    x = loaded.prepare(x, model.inputs, random.generator(0))
    with torch.no_grad():
        return model.loss(x, y, rng=random.generator(0))["loss"].item()


BUILT = {pair: make(*pair) for pair in EVERY}
TRAINED = [pair for pair, model in BUILT.items() if pair[1] == "digits" or len(model.players()) == 1]
PLAYED = [pair for pair, model in BUILT.items() if len(model.players()) > 1]


@pytest.mark.parametrize(("name", "data"), TRAINED)
def test_a_short_training_improves_a_model(name: str, data: str) -> None:
    """Of players on the plane it would not be true: there they chase each other for a thousand steps."""
    model, loaded = make(name, data), datasets.load(data)
    untrained = badness(model, loaded)
    training = Training(model, loaded, Settings.of({**model.defaults, "steps": 100, "batch_size": 64, "ema": 0.0}))
    for _ in fit(training):
        pass
    assert badness(model, loaded) < untrained - 0.01 * abs(untrained)


@pytest.mark.parametrize(("name", "data"), PLAYED)
def test_a_player_that_moves_alone_gets_what_it_wants(name: str, data: str) -> None:
    x, y = batch(make(name, data), data, 64)
    for player in make(name, data).players():
        model = make(name, data)
        optimizer, found = model.optimizer(player, 1e-3), []
        for _ in range(31):
            with only(model, player):
                loss = model.loss(x, y, player=player, rng=random.generator(1))["loss"]
                found.append(loss.item())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                model.after_turn(player)
        assert sum(found[-5:]) < sum(found[:5]) - 0.05, player


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_paused_and_resumed_is_never_paused(name: str, data: str) -> None:
    settings = Settings.of({**model_class(name).defaults, "steps": 6, "batch_size": 16})
    never_paused(lambda: Training(make(name, data), datasets.load(data), settings), at=3)


@pytest.mark.parametrize("name", MODELS)
def test_presets_are_allowed_and_build(name: str) -> None:
    cls = model_class(name)
    assert cls.presets
    assert len({preset.title for preset in cls.presets}) == len(cls.presets)
    Settings.of(cls.defaults)
    for preset in cls.presets:
        info = datasets.DATASETS[preset.data]
        assert not info.folder, "nothing is downloaded for a preset"
        check(cls, preset.model)
        Settings.of({**cls.defaults, **preset.training})
        cls(info.shape, **preset.model)


# Capabilities ---------------------------------------------------------------------------------------------------------

PER_EXAMPLE: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "log_prob": lambda model, x: model.log_prob(x),
    "elbo": lambda model, x: model.elbo(x, rng=random.generator(0)),
    "iwae": lambda model, x: model.iwae(x, 3, rng=random.generator(0)),
}
HAVING = [(*pair, what) for pair, model in BUILT.items() for what in PER_EXAMPLE if hasattr(model, what)]


@pytest.mark.parametrize(("name", "data", "what"), HAVING)
def test_likelihoods_are_one_finite_number_an_example(name: str, data: str, what: str) -> None:
    model = make(name, data).eval()
    x, _ = batch(model, data, 7)
    with torch.no_grad():
        value = PER_EXAMPLE[what](model, x)
        one = PER_EXAMPLE[what](model, x[:1])
    assert value.shape == (7,)
    assert one.shape == (1,)
    assert value.isfinite().all()
    assert value.dtype == torch.float32


# The ways in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "must be a JSON object"),
        ({}, "There is no model 'None': it may be vae"),
        ({"model": "vea", "shape": [2]}, "There is no model 'vea': it may be vae"),
        ({"model": ["vae"], "shape": [2]}, "There is no model"),
        ({"model": "vae"}, r"shape = None is not a shape of data: it is \(channels, height, width\) or \(2,\)"),
        ({"model": "vae", "shape": [3]}, r"shape = \[3\]"),
        ({"model": "vae", "shape": [1, 8]}, r"shape = \[1, 8\]"),
        ({"model": "vae", "shape": [1, 8, -8]}, "shape = "),
        ({"model": "vae", "shape": [1, 8, 1e9]}, "shape = "),
        ({"model": "vae", "shape": [1, 8, True]}, "shape = "),
        ({"model": "vae", "shape": "(2,)"}, "shape = "),
        ({"model": "vae", "shape": [2], "latent_dim": 0}, "latent_dim = 0 is not a whole number from 1 to"),
        (
            {"model": "vae", "shape": [2], "latentdim": 2},
            "'latentdim' is not a hyperparameter here: did you mean latent_dim",
        ),
        ({"model": "vae", "shape": [2], "self": 2}, "'self' is not a hyperparameter"),
    ],
)
def test_a_bad_configuration_is_named(config: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build(config)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    make("vae", "eight-gaussians").save(tmp_path / "vae")
    return tmp_path / "vae"


def test_a_folder_without_a_model_is_named(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no model: config\.json is missing"):
        load(tmp_path / "nowhere")
    (saved / "model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"holds no model: model\.safetensors is missing"):
        load(saved)


def test_damaged_files_are_named(saved: Path) -> None:
    whole = (saved / "model.safetensors").read_bytes()
    for damaged in (b"", whole[:100], whole[: len(whole) // 2], b"\x80\x04pickled" + whole):
        (saved / "model.safetensors").write_bytes(damaged)
        with pytest.raises(BadInput, match=r"model\.safetensors is not a readable safetensors file"):
            load(saved)
    for damaged in (b"", b"{", b"\xff\xfe"):
        (saved / "config.json").write_bytes(damaged)
        (saved / "model.safetensors").write_bytes(whole)
        with pytest.raises(BadInput, match=r"config\.json is not JSON"):
            load(saved)


def test_weights_that_do_not_fit_are_named(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    name = next(iter(weights))
    for changed in (
        {**weights, name: weights[name][:-1].clone()},
        {**weights, "more": torch.zeros(1)},
        {k: v for k, v in weights.items() if k != name},
    ):
        save_file(changed, saved / "model.safetensors")
        with pytest.raises(BadInput, match=r"do not fit its config\.json: .* differ"):
            load(saved)


def test_half_precision_weights_are_loaded_as_float32(saved: Path) -> None:
    save_file({k: v.half() for k, v in load_file(saved / "model.safetensors").items()}, saved / "model.safetensors")
    assert all(p.dtype == torch.float32 for p in load(saved).parameters())


def test_a_model_is_loaded_from_its_folder_by_one_line(saved: Path) -> None:
    assert isinstance(from_pretrained(str(saved)), model_class("vae"))
    with pytest.raises(BadInput, match="holds no model"):
        from_pretrained("no-such-folder")


def test_configuration_is_the_constructors_arguments(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    assert config.pop("model") == "vae"
    assert config.pop("shape") == [2]
    assert set(config) == set(declared(model_class("vae")))


def test_only_gives_back_what_it_took(digits: Data) -> None:
    for name in MODELS:
        model = make(name, "digits")
        before = [p.requires_grad for p in model.parameters()]
        for player in model.players():
            with pytest.raises(KeyError, match="x"), only(model, player):
                raise KeyError("x")
            assert [p.requires_grad for p in model.parameters()] == before


def test_the_energy_distance_is_right() -> None:
    a, b = torch.randn(2, 1000, 1, generator=random.generator(0), dtype=torch.float64)
    assert abs(energy_distance(a, b)) < 0.01
    # two points at distance d: 2 d
    assert energy_distance(torch.zeros(5, 1), torch.full((5, 1), 3.0)) == pytest.approx(6)
    # N(0, 1) and N(m, 1): 2 E|N(m, 2)| − 2 E|N(0, 2)|
    m = 2.0
    folded = 2 / math.sqrt(math.pi) * math.exp(-(m**2) / 4) + m * math.erf(m / 2)
    assert energy_distance(a, b + m) == pytest.approx(2 * folded - 4 / math.sqrt(math.pi), abs=0.15)


WEIGHED = """
import contextlib, sys
from genmodels.errors import BadInput
from genmodels.hyperparameters import Only, Switch, declared
from genmodels.models import MODELS, model_class
from genmodels.models.base import weigh

seen = 0
for name in MODELS:
    for one in declared(model_class(name)).values():
        values = {Only: getattr(one.rule, "options", ()), Switch: (True, False)}.get(type(one.rule), (one.default,))
        for value in (*values, 10) if one.name == "classes" else values:
            if "spectral" in (one.name, value):  # normalizes its first weights
                continue
            for shape in ((2,), (1, 28, 28)):
                with contextlib.suppress(BadInput):  # what images alone, or points alone, can have
                    weigh({"model": name, "shape": shape, one.name: value})
                    seen += 1
                assert "torch._dynamo" not in sys.modules, (name, shape, one.name, value)
assert seen > 150, seen
"""


def test_a_model_is_weighed_without_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", WEIGHED], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_what_does_not_count_changes_nothing(name: str, data: str) -> None:
    def trained(**arguments: Any) -> dict[str, Tensor]:
        training = Training(make(name, data, **arguments), datasets.load(data), Settings(steps=2, batch_size=16))
        for _ in fit(training):
            pass
        return training.model.state_dict()

    known = declared(model_class(name))
    usual = {one.name: QUICK.get(name, {}).get(one.name, one.default) for one in known.values()}
    now = usual | {"kind": datasets.DATASETS[data].kind}
    silent = [one for one in known.values() if not one.counts(now)]
    expected = trained()
    for one in silent:
        for value in others(name, data, one):
            try:
                found = trained(**{one.name: value})
            except BadInput:  # networks of images for points: nothing that could be chosen there
                continue
            assert found.keys() == expected.keys(), (one.name, value)
            assert all(torch.equal(found[key], expected[key]) for key in expected), (one.name, value)


@pytest.mark.parametrize(
    ("name", "data", "chosen", "silent"),
    [
        ("vae", "digits", {"objective": "iwae", "prior": "vamp"}, {"kl_samples": 3, "estimator": "sampled"}),
        ("vqvae", "two-moons", {"depth": 0}, {"hidden": 24, "code_dim": 3}),
        ("ladder", "two-moons", {"layers": 1}, {"merge": "precision", "latent_channels": 9}),
    ],
)
def test_what_does_not_count_beside_a_choice_changes_nothing(
    name: str, data: str, chosen: dict[str, Any], silent: dict[str, Any]
) -> None:
    known, losses = declared(model_class(name)), []
    kind = datasets.DATASETS[data].kind
    values = {key: one.default for key, one in known.items()} | chosen | {"kind": kind}
    assert not any(known[key].counts(values) for key in silent)
    for arguments in ({}, silent):  # and what a run once said of them is still read
        training = Training(make(name, data, **chosen, **arguments), datasets.load(data), Settings(steps=2))
        losses.append([step.terms["loss"] for step in fit(training) if step.terms])
    assert losses[0] == losses[1]


def test_a_codebook_of_points_themselves_has_no_encoder_to_be_drawn_to_it() -> None:
    known, learned = declared(model_class("vqvae"))["commitment"], []
    assert not known.counts({"depth": 0, "kind": "plane"})
    assert known.counts({"depth": 0, "kind": "images"})
    for beta in (0.25, 7.0):
        training = Training(
            make("vqvae", "two-moons", depth=0, commitment=beta), datasets.load("two-moons"), Settings(steps=3)
        )
        list(fit(training))
        learned.append(training.model.state_dict())
    assert all(torch.equal(value, learned[1][key]) for key, value in learned[0].items())


@pytest.mark.parametrize(("name", "arguments"), [("ppca", {}), ("vqvae", {"depth": 1})])
def test_points_are_drawn_whether_that_is_asked_for_or_not(name: str, arguments: dict[str, Any]) -> None:
    model = make(name, "two-moons", **arguments).eval()
    assert not declared(type(model).sample)["draw"].counts({"kind": "plane"})
    shown, drawn = (model.sample(9, rng=random.generator(0), draw=draw) for draw in (False, True))
    assert torch.equal(shown, drawn)


def test_the_width_of_a_residual_vae_is_an_eighth_and_its_help_says_from_where_on() -> None:
    sizes = [
        {
            key: value.shape
            for key, value in make("vae", "digits", network="residual", hidden=hidden).state_dict().items()
        }
        for hidden in (16, 64, 128)
    ]
    assert sizes[0] == sizes[1] != sizes[2]
    assert "an eighth as many, 8 at least" in declared(model_class("vae"))["hidden"].help


@pytest.mark.parametrize("name", MODELS)
def test_what_counts_depends_on_what_there_is(name: str) -> None:
    known = declared(model_class(name))
    for one in known.values():
        if one.where is not None:
            assert set(inspect.signature(one.where.holds).parameters) <= {"kind", *known} - {one.name}


@pytest.mark.parametrize("name", ["ddpm", "gan", "wgan", "bigan"])
def test_labels_are_drawn_as_often_as_they_were_learned(name: str, tmp_path: Path) -> None:
    model = make(name, "eight-gaussians", classes=8)
    plane = datasets.load("eight-gaussians")
    few = replace(plane, train=datasets.Split(plane.train.x, plane.train.y.clamp(max=2)))
    even = torch.bincount(model.draw_labels(8000, random.generator(0)), minlength=8)
    assert (even - 1000).abs().max() < 6 * math.sqrt(1000)  # nothing is known: evenly
    Training(model, few, Settings(steps=1))
    assert model.label_shares == pytest.approx([*(torch.bincount(few.train.y) / len(few.train)).tolist(), *[0] * 5])
    model.save(tmp_path)
    again = load(tmp_path)
    assert again.label_shares == model.label_shares
    counts = torch.bincount(again.draw_labels(8000, random.generator(0)), minlength=8)
    expected = 8000 * torch.tensor(model.label_shares)
    assert ((counts - expected).abs() <= 6 * expected.sqrt()).all()
    asked: list[Tensor] = []
    draw = again.draw_labels
    again.draw_labels = lambda n, rng=None: asked.append(draw(n, rng)) or asked[-1]
    again.sample(5, rng=random.generator(0))
    assert len(asked) == 1
    config = json.loads((tmp_path / "config.json").read_text())
    for wrong in ([0.5, 0.5], [0.2] * 8, "all", [1, *["0"] * 7]):
        with pytest.raises(BadInput, match="8 shares that add up to 1"):
            build(config | {"label_shares": wrong})
