"""A diffusion is a deep VAE whose encoder is fixed: both chains, and both bounds term by term, of one picture."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.diffusion.film import Array, Task, shown
from genmodels.instruments.examples import example as example_of
from genmodels.instruments.examples import images_only
from genmodels.instruments.vae import bound as of_vae
from genmodels.instruments.vae.partners import partner
from genmodels.metrics.evaluate import labels
from genmodels.models.ddpm import DDPM
from genmodels.models.vae import VAE
from genmodels.probability import diffusion_elbo
from genmodels.text import number

__all__ = ["GROUPS", "both", "conclusion"]

GROUPS = 6
"""Of the steps, whose costs are added up: from little noise to much, as many each."""
FRAMES, BACK, AT_ONCE = 7, 50, 32


@torch.no_grad()
def both(model: DDPM, data: Data, vae: str, example: int = 0, seed: int = 0) -> Task:
    """One test image up and down both chains, and what each link of them costs. A task.

    Args:
        model: Of images; a conditional one is told the label.
        data: Its data.
        vae: The id of a VAE's run on the same data.
        example: Which test image.
        seed: Of all noise.

    Returns:
        Of the diffusion, in nats: "prior", L_T, "steps", sums of L_{t-1} over GROUPS of "times", their edges (GROUPS +
        1,), "last", L_0, "label", −log p(y) where it is told the label y, and "nats", the bound on −log p(x). "up", the
        image at the times "t", (F, C, H, W), and "down", a walk back from its x_T at about these times, falling. Of the
        VAE: "kl", "reconstruction" and "elbo"; "mu" and "std" of its code, (L,); "decoded", what the mean stands for,
        and "drawn", what a draw from the prior does. "x", the image.

    Raises:
        BadInput: If the model makes no images, or ``vae`` is no VAE of the same data.
    """
    images_only(model)
    other = partner(data, vae)
    x_0, rng = example_of(model, data, example), random.generator(seed, model.device)
    y = labels(model, data.test.y[example : example + 1])
    chain, label = model.chain(y, data.shades), 0.0 if y is None else -float(model.label_log_prob()[y])
    answer = _of_vae(other, data, example, seed)
    terms, T = list[torch.Tensor](), model.T
    for part in torch.arange(2, T + 1, device=model.device).split(AT_ONCE):
        terms.append(chain.steps(x_0, part[None], rng)[0][0].double().cpu())
        yield 0.8 * float(part[-1]) / T
    prior, last = float(diffusion_elbo.prior_term(model.schedule, x_0)), float(chain.last(x_0, rng))
    t = np.unique(np.linspace(0, T, FRAMES).round().astype(int))
    noise = random.randn(*x_0.shape, rng=rng, device=model.device)
    up = torch.cat([model.schedule.noised(x_0, noise, int(at)) for at in t])
    down = list(model.trajectory(1, x_T=up[-1:], rng=rng, sampler="ancestral", steps=BACK, y=y))
    yield 0.9
    steps = torch.cat(terms)
    edges = np.unique(np.linspace(1, T, GROUPS + 1).round().astype(int))
    paid = [float(steps[a - 1 : b - 1].sum()) for a, b in pairwise(edges)]
    walked = np.array([now.t for now in down])
    nearest = [down[int(np.abs(walked - at).argmin())] for at in t[::-1]]
    nats = prior + float(steps.sum()) + last + label
    answer |= {"prior": prior, "steps": np.array(paid), "last": last, "label": label, "nats": nats}
    answer |= {"times": edges, "t": t, "x": shown(model, x_0[0]), "up": shown(model, up)}
    answer |= {
        "down": shown(model, torch.cat([now.x_t for now in nearest])),
        "at": np.array([now.t for now in nearest]),
    }
    return {name: np.asarray(value) for name, value in answer.items()}


@torch.no_grad()
def _of_vae(vae: VAE, data: Data, example: int, seed: int) -> dict[str, Array | float]:
    told = of_vae.numbers(vae, data, example)
    mu, logvar = vae.posterior(example_of(vae, data, example))
    drawn = vae.sample(1, rng=random.generator(seed, vae.device))
    grey = lambda x: (x[0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()  # noqa: E731
    pictures = {"decoded": grey(vae.decode(mu)), "drawn": grey(drawn)}
    code = {"mu": mu[0].cpu().numpy(), "std": (logvar[0] / 2).exp().cpu().numpy()}
    return {name: told[name] for name in ("kl", "reconstruction", "elbo")} | pictures | code


def conclusion(parts: Mapping[str, Array]) -> str:
    """Where each of the two pays for what it knows of the picture."""
    nats, kl, elbo = float(parts["nats"]), float(parts["kl"]), float(parts["elbo"])
    steps = float(parts["steps"].sum())
    text = f"Of this picture the VAE pays {number(kl)} nats for its code and {number(-elbo)} in all"
    label = f"{number(float(parts['label']))} for the label that it is told, " if parts["label"] else ""
    prior = float(parts["prior"])
    deaf = ", whose encoder tells nothing of the picture," if prior < 0.1 else ""
    return text + (
        f"; the diffusion pays {number(steps)} for its steps, {label}{number(prior)} for its topmost latent{deaf} "
        f"and {number(nats)} in all."
    )
