r"""Expectation maximization as a training like any other: the M step takes the place of an optimizer's step.

.. math:: F(q, \theta) = E_q[\log p(x, z; \theta)] + H(q)
    = \log p(x; \theta) - \mathrm{KL}(q \,\|\, p(z \mid x; \theta))

The E step sets q to the posterior, where F touches log p; the M step raises F over θ, and log p with it. Dempster,
Laird & Rubin (1977), https://doi.org/10.1111/j.2517-6161.1977.tb01600.x; as ascent on F, Neal & Hinton (1998), A view
of the EM algorithm that justifies incremental, sparse, and other variants.

Here log p(x, z) depends on x and z through a few statistics, linearly. So the M step needs their expectation alone, and
a batch may stand for the data if the statistics are moved only a little towards it: online EM (Cappé & Moulines 2009,
https://arxiv.org/abs/0712.4273), where what stands for the examples before are the statistics of the model itself.
A prior on the parameters that is conjugate adds statistics of imagined examples: then EM finds the MAP.
"""

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, distributed

from genmodels.errors import BadInput
from genmodels.hyperparameters import Between, Only
from genmodels.models.base import GenerativeModel

__all__ = ["EM", "Learn", "MStep", "PriorWeight", "Statistics"]

Statistics = tuple[Tensor, ...]
"""Means over examples, float64; what they are is the model's own."""
Learn = Annotated[
    str, Only(("em", "gradient"), "em: lr is the size of its step, 1 and one batch of all data EM itself")
]
"""By what such a model learns."""
PriorWeight = Annotated[float, Between(0, 10, "imagined examples for each real one: 0 maximum likelihood, more MAP")]
"""How much its prior on the parameters weighs."""


class EM(GenerativeModel):
    """A model that EM can train: it has statistics, their expectation given x, and the parameters that suit them."""

    learn: str
    prior_weight: float
    defaults: ClassVar[dict[str, Any]] = {"lr": 0.05, "batch_size": 512, "decay": "cosine"}

    expected: Statistics | None = None
    """Of the batch that the loss was last asked about in training, given x: what the next M step is about."""

    @property
    def inputs(self) -> str:
        """Images with uniform noise, in (0, 1): whole grey levels have no density."""
        return "dequantize"

    def check_levels(self, levels: int) -> None:
        """A density is of grey images.

        Raises:
            BadInput: If they are black or white.
        """
        if self.is_image and levels <= 2:
            raise BadInput(
                "This model gives images a density, and black or white pixels have none. It needs images in grey, as "
                "mnist or digits are."
            )

    def optimizer(self, player: str, lr: float) -> torch.optim.Optimizer:
        """The M step, or Adam."""
        return MStep(self, lr) if self.learn == "em" else super().optimizer(player, lr)

    # What a model has to say --------------------------------------------------------------------------------------

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (B,), exact."""
        raise NotImplementedError

    def expect(self, x: Tensor) -> tuple[Statistics, Tensor]:
        """The E step: expected statistics of the batch ``x`` under p(z | x), and that posterior's mean entropy."""
        raise NotImplementedError

    def complete(self, statistics: Statistics) -> Tensor:
        """E[log p(x, z)] in nats, a scalar, of examples that have these expected statistics."""
        raise NotImplementedError

    def maximize(self, statistics: Statistics) -> None:
        """The M step: the parameters under which :meth:`complete` of these is largest."""
        raise NotImplementedError

    def own(self) -> Statistics:
        """The statistics that the model's own samples have, with their z."""
        raise NotImplementedError

    def imagined(self) -> Statistics:
        """The statistics of the imagined examples that make up the prior on the parameters."""
        raise NotImplementedError

    # What follows -------------------------------------------------------------------------------------------------

    def log_prior(self) -> Tensor:
        """log p(θ) for each real example, up to a constant, nats: of ``prior_weight`` imagined ones and their z."""
        return self.prior_weight * self.complete(self.imagined())

    def step(self, statistics: Statistics, size: float = 1.0) -> None:
        """The M step on expected ``statistics`` and the imagined ones, ``size`` of the way from the model's own."""
        goal = [a + self.prior_weight * b for a, b in zip(statistics, self.imagined(), strict=True)]
        mass = 1 + self.prior_weight
        self.maximize(tuple((1 - size) * mass * a + size * b for a, b in zip(self.own(), goal, strict=True)))

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """−log p(x) in nats, exact; with a prior on the parameters −log p(x) − log p(θ), and −log p(x) as "nll"."""
        with torch.autocast(x.device.type, enabled=False):  # no rounding in a density
            if self.training and self.learn == "em":
                self.expected = self.expect(x)[0]
            nll = -self.log_prob(x).mean()
            return {"loss": nll - self.log_prior().to(nll), "nll": nll} if self.prior_weight else {"loss": nll}


class MStep(torch.optim.Optimizer):
    """The M step of the batch that the loss was last asked about; the learning rate is the size of the step.

    With the whole data in one batch and a learning rate of 1 this is EM itself: log p of the data never falls.
    """

    def __init__(self, model: EM, lr: float) -> None:
        super().__init__(model.parameters(), {"lr": lr})
        self.model = model

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move to the parameters that suit the batch."""
        assert self.model.expected is not None
        if distributed.is_available() and distributed.is_initialized():  # of all processes' rows
            for mean in self.model.expected:
                distributed.all_reduce(mean)
                mean /= distributed.get_world_size()
        self.model.step(self.model.expected, self.param_groups[0]["lr"])
