"""Every instrument and measure of a model on a pretended GPU (:mod:`tests.pretended_gpu`), its data on either."""

import functools
import inspect
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genmodels.data.datasets import Data
from genmodels.instruments import codes, examples, neighbours, samples, shifts
from genmodels.instruments import plane as common
from genmodels.instruments.autoregressive import bits, orders, receptive, slices
from genmodels.instruments.autoregressive import drawing as pixels
from genmodels.instruments.diffusion import bits as bits_paid
from genmodels.instruments.diffusion import bound, denoising, edits, film, hierarchy, langevin, score
from genmodels.instruments.flow import codes as flow_codes
from genmodels.instruments.flow import curve, dequantization, microscope
from genmodels.instruments.gan import bigan, critics, dirac, divergence, game, modes, turns
from genmodels.instruments.latent import autoencoder, estimates, gradients, ladder, linear_vae, refinement, subspace
from genmodels.instruments.latent import likelihood as latent_likelihood
from genmodels.instruments.latent import steps as em_steps
from genmodels.instruments.vae import bound as vae_bound
from genmodels.instruments.vae import collapse, drawing, geometry, partners, true_posterior
from genmodels.instruments.vae import denoising as vae_denoising
from genmodels.instruments.vq import codebook, maps
from genmodels.metrics import evaluate
from genmodels.runs import store, timing
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run
from tests.pretended_gpu import pretended
from tests.test_cuda import few

RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "vae": ("vae", "digits", {"hidden": 16}),
    "vae-points": ("vae", "two-moons", {"hidden": 16, "latent_dim": 1}),
    "vae-grey": ("vae", "digits", {"hidden": 16, "decoder": "gaussian", "sigma": 0.5, "prior": "vamp"}),
    "vae-diffusion": ("vae", "digits", {"hidden": 16, "prior": "diffusion"}),
    "ae": ("autoencoder", "digits", {"hidden": 16}),
    "ladder": ("ladder", "digits", {"hidden": 16}),
    "vae-linear": ("vae", "digits", {"depth": 0, "decoder": "gaussian"}),
    "mixture": ("mixture", "digits", {"components": 3}),
    "mixture-points": ("mixture", "two-moons", {"components": 3, "covariance": "full"}),
    "ppca": ("ppca", "digits", {"latent_dim": 2, "noise": "diagonal"}),
    "ppca-points": ("ppca", "two-moons", {"learn": "gradient"}),
    "vqvae": ("vqvae", "digits", {"hidden": 8, "prior_channels": 4}),
    "vqvae-points": ("vqvae", "two-moons", {"hidden": 8, "codebook": "straight-through"}),
    "ddpm": ("ddpm", "digits", {"T": 12, "width": 8, "depth": 1}),
    "ddpm-points": ("ddpm", "eight-gaussians", {"T": 12, "hidden": 16}),
    "gan": ("gan", "eight-gaussians", {"hidden": 8}),
    "gan-classes": ("gan", "digits", {"hidden": 8, "classes": 10}),
    "wgan": ("wgan", "eight-gaussians", {"hidden": 8}),
    "bigan": ("bigan", "digits", {"hidden": 8}),
    "pixelcnn": ("autoregressive", "digits-dynamic", {"network": "pixelcnn", "channels": 4}),
    "made": ("autoregressive", "digits", {"hidden": 16, "classes": 10, "pixels": "logistics", "levels": 17}),
    "nade-points": ("autoregressive", "eight-gaussians", {"network": "nade", "hidden": 16}),
    "made-points": ("autoregressive", "eight-gaussians", {"hidden": 16, "orders": 2, "order": "random"}),
    "flow": ("flow", "digits", {"hidden": 8, "couplings": 2, "network": "conv", "dequantization": "variational"}),
    "flow-points": ("flow", "two-moons", {"hidden": 8, "couplings": 2, "coupling": "spline", "actnorm": True}),
}
PEN = np.pad(np.full((4, 4), 255.0), 2)

Call = Callable[[str, Any, Data], Any]
CALLS: list[tuple[str, Call]] = [
    ("vae", lambda run, m, d: codes.latent_map(m, 3)),
    ("vae-grey", lambda run, m, d: codes.latent_map(m, 3)),
    ("vae", lambda run, m, d: codes.encoded(m, d, 9)),
    ("vae", lambda run, m, d: codes.path(m, d, 0, 1, frames=3, arc=True)),
    ("vae", lambda run, m, d: codes.geodesic(m, d, 0, 1, frames=4, iterations=2)),
    ("vae", lambda run, m, d: codes.sweep(m, d, 1, steps=3)),
    ("vae", lambda run, m, d: geometry.aggregate(m, d, side=8)),
    ("vae-grey", lambda run, m, d: geometry.aggregate(m, d, side=8)),
    ("vae", lambda run, m, d: vae_bound.reconstructions(m, d, 3, among=9)),
    ("vae-grey", lambda run, m, d: vae_bound.numbers(m, d, 1)),
    ("vae", lambda run, m, d: vae_bound.ladder(m, d, n=3)),
    ("vae", lambda run, m, d: vae_bound.loosest(m, d, among=5, k=3)),
    ("vae-grey", lambda run, m, d: collapse.usage(m, d, 9)),
    ("vae", lambda run, m, d: geometry.stretch(m, side=4)),
    ("vae", lambda run, m, d: geometry.posteriors(m, d, 9)),
    ("vae-grey", lambda run, m, d: geometry.gap(m, d, 0, steps=2)),
    ("vae-points", lambda run, m, d: common.density(m, d, side=4, n=9)),
    ("vae-points", lambda run, m, d: true_posterior.true_posterior(m, d, 0, side=27)),
    ("vae", lambda run, m, d: drawing.read(m, d, PEN, drawing.known(m, d))),
    ("vae-diffusion", lambda run, m, d: vae_denoising.denoised(m, d, n=9)),
    ("vae-diffusion", lambda run, m, d: geometry.aggregate(m, d, side=8)),
    ("ladder", lambda run, m, d: ladder.shares(m, d, 9)),
    ("ladder", lambda run, m, d: ladder.held(m, 3)),
    ("ladder", lambda run, m, d: ladder.upper(m, d, 1, 3)),
    ("ladder", lambda run, m, d: ladder.numbers(m, d, 1)),
    ("ladder", lambda run, m, d: vae_bound.ladder(m, d, n=3)),
    ("ae", lambda run, m, d: autoencoder.beside(m, d)),
    ("ae", lambda run, m, d: autoencoder.numbers(m, d)),
    ("ae", lambda run, m, d: estimates.estimates(m, d, width=2.0)),
    ("vae", lambda run, m, d: gradients.two_gradients(m, d, 1)),
    ("vae", lambda run, m, d: refinement.refined(m, d, 1, "HMC", 2)),
    ("vae-linear", lambda run, m, d: linear_vae.linear(m, d)),
    ("mixture", lambda run, m, d: em_steps.steps(m, d, count=2)),
    ("mixture-points", lambda run, m, d: em_steps.steps(m, d, count=2, begin=1)),
    ("ppca-points", lambda run, m, d: em_steps.steps(m, d, count=2)),
    ("mixture", lambda run, m, d: em_steps.numbers(m, d, 1)),
    ("ppca", lambda run, m, d: em_steps.numbers(m, d, 1)),
    ("mixture-points", lambda run, m, d: em_steps.outlines(m)),
    ("mixture-points", lambda run, m, d: latent_likelihood.kl_and_likelihood(m, d, n=9, points=3)),
    ("ppca", lambda run, m, d: latent_likelihood.map_path(m, d, n=5)),
    ("mixture-points", lambda run, m, d: latent_likelihood.map_path(m, d, n=5, side=4)),
    ("ppca", lambda run, m, d: subspace.subspace(m, d)),
    ("vqvae", lambda run, m, d: codebook.patches(m, d, 9)),
    ("vqvae", lambda run, m, d: codebook.fewer(m, d, 9)),
    ("vqvae-points", lambda run, m, d: codebook.voronoi(m, d, side=4, n=9)),
    ("vqvae", lambda run, m, d: maps.read(m, d, 1)),
    ("vqvae", lambda run, m, d: maps.place(m, d, 1, 2, 3)),
    ("vqvae", lambda run, m, d: maps.drawn(m, d, 3)),
    ("vqvae-points", lambda run, m, d: maps.numbers(m, d)),
    ("vqvae", lambda run, m, d: codes.path(m, d, 0, 1, frames=3)),
    ("ddpm", lambda run, m, d: denoising.noising(m, d, frames=4)),
    ("ddpm", lambda run, m, d: denoising.tables(m)),
    ("ddpm", lambda run, m, d: denoising.denoised(m, n=2, how={"steps": 3})),
    ("ddpm-points", lambda run, m, d: denoising.compared(m, d, n=3)),
    ("ddpm", lambda run, m, d: denoising.judged(m, d, n=50)),
    ("ddpm", lambda run, m, d: bound.every_term(m, d, n=2)),
    ("ddpm-points", lambda run, m, d: bound.every_term(m, d, n=2)),
    ("ddpm", lambda run, m, d: bound.numbers(m, d, 0, 5)),
    ("ddpm", lambda run, m, d: edits.redrawn(m, d, t=6, n=2, steps=2)),
    ("ddpm", lambda run, m, d: edits.filled(m, d, n=2, steps=2, resample=2)),
    ("ddpm", lambda run, m, d: edits.interpolated(m, d, n=3, steps=2)),
    ("ddpm-points", lambda run, m, d: score.field(m, d, n=5, frames=3, side=3)),
    ("ddpm", lambda run, m, d: hierarchy.both(m, d, "vae-digits-2d")),
    ("ddpm", lambda run, m, d: bits_paid.bits(m, d, n=2, draws=3)),
    ("ddpm-points", lambda run, m, d: langevin.walked(m, d, score="learned", anneal=True, steps=20, n=5)),
    ("ddpm-points", lambda run, m, d: common.density(m, d, side=4, n=9)),
    ("ddpm", lambda run, m, d: samples.samples(m, 3, how={"steps": 2})),
    ("gan-classes", lambda run, m, d: samples.samples(m, 3, label=2)),
    ("gan", lambda run, m, d: game.surface(m, 2.0, side=4)),
    ("wgan", lambda run, m, d: game.surface(m, 2.0, side=4)),
    ("gan", lambda run, m, d: game.arrows(m, d, 5)),
    ("gan", lambda run, m, d: divergence.best_discriminator(m, d, 2.0, side=4, n=20)),
    ("wgan", lambda run, m, d: game.slopes(m, d, 9)),
    ("gan-classes", lambda run, m, d: game.slopes(m, d, 9)),
    ("wgan", lambda run, m, d: game.coverage(m, d, 9)),
    ("wgan", lambda run, m, d: game.w1_floor(d, 4)),
    ("gan-classes", lambda run, m, d: codes.latent_map(m, 3, label=1)),
    ("gan-classes", lambda run, m, d: codes.path(m, d, 0, 1, frames=3, label=1)),
    ("gan-classes", lambda run, m, d: game.numbers(m, d, 9)),
    ("bigan", lambda run, m, d: game.numbers(m, d, 9)),
    ("wgan", lambda run, m, d: game.steepness(m, 2.0, side=4)),
    ("wgan", lambda run, m, d: critics.verdict(m, d, 9)),
    ("gan-classes", lambda run, m, d: critics.verdict(m, d, 9)),
    ("bigan", lambda run, m, d: bigan.back(m, d, 5)),
    ("bigan", lambda run, m, d: bigan.read(m, d, PEN)),
    ("wgan", lambda run, m, d: modes.history(run, [0], 9)),
    ("gan-classes", lambda run, m, d: modes.history(run, [0], 9)),
    ("gan-classes", lambda run, m, d: modes.count(m, d, 9)),
    ("wgan", lambda run, m, d: turns.play(m, d, "d1g1", store.find(run).plan.settings)),
    ("flow-points", lambda run, m, d: microscope.passage(m, d, n=9, side=4)),
    ("flow", lambda run, m, d: flow_codes.gaussianity(m, d, n=9)),
    ("flow", lambda run, m, d: flow_codes.temperatures(m, n=2)),
    ("flow", lambda run, m, d: flow_codes.inverse_error(m, d, n=3)),
    ("flow-points", lambda run, m, d: flow_codes.inverse_error(m, d, n=3, side=4)),
    ("flow", lambda run, m, d: dequantization.costs(m, d, n=3)),
    ("flow", lambda run, m, d: dequantization.numbers(m, d, 1)),
    ("flow", lambda run, m, d: curve.learned(m, store.find(run).metrics())),
    ("flow", lambda run, m, d: shifts.shifts(m, d, n=4)),
    ("pixelcnn", lambda run, m, d: shifts.shifts(m, d, n=4)),
    ("vae", lambda run, m, d: shifts.shifts(m, d, n=4)),
    ("flow-points", lambda run, m, d: codes.latent_map(m, 3)),
    ("vae", lambda run, m, d: neighbours.neighbours(m, d, n=3, k=2)),
    ("ddpm-points", lambda run, m, d: neighbours.neighbours(m, d, n=3, k=2)),
    ("ddpm-points", lambda run, m, d: common.density(m, d, side=4, n=9)),
    ("gan", lambda run, m, d: codes.latent_map(m, 3)),
    ("bigan", lambda run, m, d: codes.latent_map(m, 3)),
    ("pixelcnn", lambda run, m, d: pixels.pixel_by_pixel(m, n=2)),
    ("pixelcnn", lambda run, m, d: pixels.completed(m, d, n=2)),
    ("made", lambda run, m, d: pixels.completed(m, d, n=2)),
    ("pixelcnn", lambda run, m, d: bits.where(m, d)),
    ("made", lambda run, m, d: bits.average(m, d, 5)),
    ("made-points", lambda run, m, d: bits.numbers(m, d, 1, 1)),
    ("pixelcnn", lambda run, m, d: receptive.field(m, d, 4, 4)),
    ("pixelcnn", lambda run, m, d: receptive.blind_spot(2, 4, 4, 9)),
    ("made", lambda run, m, d: orders.compared(m, d, 10)),
    ("made", lambda run, m, d: orders.masks(m, d)),
    ("made-points", lambda run, m, d: slices.slices(m, d)),
    ("nade-points", lambda run, m, d: common.density(m, d, side=4, n=9)),
    ("bigan", lambda run, m, d: codes.encoded(m, d, 9)),
    ("bigan", lambda run, m, d: codes.path(m, d, 0, 1, frames=3)),
    ("bigan", lambda run, m, d: codes.geodesic(m, d, 0, 1, frames=3, iterations=2)),
    ("bigan", lambda run, m, d: codes.sweep(m, d, 0, steps=3)),
    ("gan", lambda run, m, d: codes.path(m, d, 0, 1, frames=3, arc=True)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each of RUNS, two steps long, trained on the processor."""
    root = tmp_path_factory.mktemp("gpu")
    for title, (model, data, arguments) in RUNS.items():
        settings = {"steps": 2, "batch_size": 8}
        run = store.create(model, data, arguments=arguments, settings=settings, device="cpu", folder=root / title)
        recording = Recording(run)
        list(recording.steps())
        recording.close()
    return root


def done(found: Any) -> Any:
    """What a task returns, its steps taken; anything else as it is."""
    if not isinstance(found, Generator):
        return found
    while True:
        try:
            next(found)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("place", ["cpu", "cuda"])
@pytest.mark.parametrize(("run", "call"), [pytest.param(*one, id=f"{i}-{one[0]}") for i, one in enumerate(CALLS)])
def test_every_instrument_of_a_model_on_the_gpu(
    run: str, call: Call, place: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(folder))
    monkeypatch.setattr(Run, "model", functools.partialmethod(Run.model, device="cuda"))
    little = few(RUNS[run][1], 40)
    with pretended():
        data = little.to(place)
        monkeypatch.setattr(Run, "data", lambda self, *_, **__: data)
        assert done(call(run, store.find(run).model(), data)) is not None


NO_MODEL = {  # functions of numbers, of a plan or of the data alone, and parts of those that are called
    *(
        denoising.evaluations,
        denoising.most_judged,
        film.count_of,
        film.film_of,
        film.frames_of,
        film.shown,
    ),
    *(
        edits.mask,
        edits.redraw,
        edits.inpaint,
        edits.invert,
        score.square,
        langevin.scores,
        partners.partners,
        partners.partner,
        samples.labels,
        samples.options,
    ),
    *(divergence.kde, divergence.jensen_shannon, divergence.neighbours, divergence.value),
    dirac.dirac,
    *(game.pairs, codes.normal, critics.apart, critics.rivals, critics.saturation),
    *(bigan.conclusion, critics.compared, critics.conclusion, game.conclusion, modes.compared, modes.conclusion),
    turns.conclusion,
    *(
        modes.cases,
        game.reached,
        turns.shades,
        turns.turns_of,
    ),
    vae_bound.kl_by_distance,
    *(collapse.cures, geometry.compared, geometry.ellipses, geometry.only_two, true_posterior.negative_elbo),
    *(
        codes.has_map,
        codes.is_noise,
        codes.is_smooth,
        codes.linear,
        codes.spherical,
        common.cells,
        common.drawn,
        examples.example,
        examples.images_only,
        examples.some,
    ),
    *(examples.frame, examples.own_picture, examples.points_only, common.shades),
    *(neighbours.nearest, neighbours.training_images, drawing.known),
    bits.guesses,
    *(ladder.below, ladder.ladders_only),
    *(autoencoder.codes_and_draws, estimates.known, estimates.log_means, estimates.log_weights),
    *(gradients.of_each_draw, refinement.draws_of),
    *(linear_vae.as_ppca, linear_vae.closed_elbo, linear_vae.is_linear, em_steps.examples_of),
    *(subspace.angles, subspace.best_log_prob, subspace.covariance_and_means, subspace.directions),
    *(codebook.codes_of, codebook.kept, maps.scattered),
    *(
        microscope.film,
        microscope.layers,
        dequantization.bits,
        curve.measure,
        curve.nats,
        shifts.likelier,
        shifts.shifted,
    ),
}


def test_no_instrument_is_left_out() -> None:
    modules = [denoising, bound, edits, game, dirac, divergence, critics, bigan, modes, turns, vae_bound]
    modules += [codes, examples, neighbours, common, samples, score, collapse, geometry, true_posterior, drawing]
    modules += [partners, pixels, bits, receptive, orders, slices, langevin, bits_paid, hierarchy]
    modules += [em_steps, latent_likelihood, linear_vae, subspace, autoencoder, estimates, gradients, refinement]
    modules += [flow_codes, dequantization, microscope, curve, shifts, ladder, codebook, maps, vae_denoising]
    names = {(module.__name__, name) for module in modules for name in module.__all__}
    public = {(module, name) for module, name in names if inspect.isfunction(getattr(sys.modules[module], name))}
    called = {(one.__globals__[c[0]].__name__, c[:2][-1]) for _, one in CALLS for c in [one.__code__.co_names]}
    missing = public - called - {(one.__module__, one.__name__) for one in NO_MODEL}
    missing = {(module, name) for module, name in missing if not name.startswith("conclusion")}  # of arrays alone
    assert missing == set()


def test_a_run_is_recorded_and_resumed_on_the_gpu() -> None:
    with pretended():
        run = store.create(
            "gan", "digits", arguments={"hidden": 8, "classes": 10}, settings={"steps": 4}, device="cuda"
        )
        recording = Recording(run)
        next(recording.steps())
        recording.close("stopped")
        recording = Recording(run)
        list(recording.steps())
        recording.close()
    assert run.state().status == "finished"
    assert run.snapshots()[-1] == 4
    assert run.model().device.type == "cpu"


def test_a_training_is_timed_on_the_gpu() -> None:
    with pretended():
        assert done(timing.timed("gan", "eight-gaussians", {"hidden": 8}, {"steps": 30}, "GPU"))["timed"] > 0


@pytest.mark.parametrize("place", ["cpu", "cuda"])
@pytest.mark.parametrize("run", RUNS)
def test_every_measure_of_a_model_on_the_gpu(run: str, place: str, folder: Path) -> None:
    model, data = Run(folder / run).model(), few(RUNS[run][1], 16)
    expected = evaluate.measures(model, data, n=16, k=2)
    with pretended():
        found = evaluate.measures(model.to("cuda"), data.to(place), n=16, k=2)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-3, nan_ok=True)
