"""The contract of a model: players, turns, loss, sample. Everything more is a capability, known by its presence.

===============  ==================================================  =========================================
 method           what it is                                          who has it
===============  ==================================================  =========================================
 ``log_prob``     exact log-density, nats, (B,)                        flows, autoregressive models, a small VAE
 ``elbo``         evidence lower bound, nats, (B,)                     VAE, ladder VAE, VQ-VAE, DDPM
 ``log_weights``  log p(x, z) − log q(z | x) of k draws, nats, (B, k)  VAE, ladder VAE
 ``encode``       x → z, the mean where z has a distribution           VAE, BiGAN, flows
 ``decode``       z → x in data space; ``latent_dim`` numbers to a z   VAE, GANs, flows
 ``critic``       x → score, (B,)                                      GANs
 ``trajectory``   the steps of sampling, one by one                    DDPM, autoregressive models
===============  ==================================================  =========================================
"""

import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from genmodels import random
from genmodels.errors import BadInput, Damaged
from genmodels.files import write
from genmodels.hyperparameters import check
from genmodels.models import MODELS, model_class
from genmodels.text import quoted

__all__ = ["GenerativeModel", "Preset", "build", "half", "load", "only", "outline", "weigh"]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
HEADER = 1 << 20  # bytes that a safetensors file may need beside its numbers


@dataclass(frozen=True)
class Preset:
    """Settings known to work: a name for the page, the data, the model's arguments and the training's."""

    title: str
    data: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


class GenerativeModel(nn.Module):
    """A model of data of one ``shape``: images (C, H, W) or points of the plane (2,).

    A subclass declares its hyperparameters once, as annotated keyword arguments of ``__init__`` (see
    :mod:`genmodels.hyperparameters`). They are checked before it runs, kept as ``config``, and saved as JSON beside
    the weights, so that ``load(folder)`` builds the same model again.
    """

    presets: ClassVar[tuple[Preset, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}
    """Settings of a training (:class:`genmodels.training.settings.Settings`) that suit it better."""

    precision: str = "auto"
    """Of the networks where they draw samples that rounding does not show in: "float32", "bfloat16", or the faster."""

    config: dict[str, Any]
    label_shares: tuple[float, ...] = ()
    """Of a conditional model: the share of each label among its training examples, kept in its config.json. Empty where
    the file is older than that: labels then count as equally frequent."""
    grey_levels: int = 256
    """Of the images that it is trained on."""

    @property
    def noise_left(self) -> float:
        """Standard deviation of the noise in what ``log_prob`` is the density of: in a diffusion, the last is left."""
        return 0.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        init = cls.__init__

        @functools.wraps(init)
        def checked(self: "GenerativeModel", shape: Any, /, **values: Any) -> None:
            shape = _shape(shape)
            values = check(init, values)
            self.__dict__.setdefault("config", {"shape": list(shape), **values})
            init(self, shape, **values)

        cls.__init__ = checked  # type: ignore[assignment, method-assign]

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    # The contract -------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> str:
        """The form of x that ``loss`` expects: the name of one of :data:`genmodels.data.datasets.TRANSFORMS`."""
        return "unit"

    def players(self) -> dict[str, nn.Module]:
        """The parts that are optimized against (or beside) each other, one optimizer each."""
        return {"model": self}

    def turns(self) -> tuple[str, ...]:
        """Who moves in one training step, in order: ``("critic",) * 5 + ("generator",)``."""
        return tuple(self.players())

    def optimizer(self, player: str, lr: float) -> torch.optim.Optimizer:
        """The optimizer of one player. Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980), fused."""
        return torch.optim.Adam(self.players()[player].parameters(), lr=lr, fused=True)

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        r"""The loss that ``player`` minimizes, under "loss"; every other entry is a scalar that is logged.

        Args:
            x: A batch as ``inputs`` says, shape (B, \*shape).
            y: Labels, shape (B,), int64, where the data has them.
            player: Whose loss.
            rng: The source of all noise.
        """
        raise NotImplementedError(f"{type(self).__name__} must say what it minimizes")

    def after_turn(self, player: str) -> None:
        """Change the weights after ``player`` has moved: weight clipping, say."""

    def check_levels(self, levels: int) -> None:
        """Refuse, with :class:`BadInput`, images of so many grey levels if the model cannot learn them."""

    def progress(self, fraction: float) -> None:
        """Note how much of the training has passed, 0 to 1, before every step: for annealing."""

    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        r"""Draw ``n`` samples in data space: images in [0, 1], or points of the plane. Shape (n, \*shape), float32.

        A conditional model that is given no labels ``y`` draws them: :meth:`draw_labels`.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it samples")

    def label_log_prob(self) -> Tensor:
        """log p(y) of each of its labels, shape (classes,), float64: see :attr:`label_shares`."""
        classes = int(self.config.get("classes", 0))
        return torch.tensor(self.label_shares or (1 / classes,) * classes, dtype=torch.float64).log()

    def draw_labels(self, n: int, rng: torch.Generator | None = None) -> Tensor | None:
        """``n`` labels, as frequent as in training, shape (n,); None of a model without labels."""
        if not self.config.get("classes"):
            return None
        edges = self.label_log_prob().exp().cumsum(0)
        u = random.rand(n, rng=rng, device=self.device)
        return torch.searchsorted((edges / edges[-1]).to(u), u, right=True)

    def checked_labels(self, y: Tensor, n: int) -> Tensor:
        """``y`` on its device: ``n`` labels of its classes; raises :class:`BadInput` where they are not."""
        classes = self.config.get("classes", 0)
        if not classes or y.shape != (n,) or y.is_floating_point():
            raise BadInput(f"Labels of shape {tuple(y.shape)} for {n} examples: the model has classes = {classes}.")
        if y.device.type == "cpu" and bool(((y < 0) | (y >= classes)).any()):  # elsewhere it would be waited for
            raise BadInput(f"The labels {y.min()} to {y.max()} are not those of a model with classes = {classes}.")
        return y.to(self.device)

    # What every model has from here -------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """The loss, under the name that torch's DistributedDataParallel calls."""
        return self.loss(*args, **kwargs)

    @property
    def is_image(self) -> bool:
        """Whether the data are images (C, H, W) rather than points (2,)."""
        return len(self.shape) == 3

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        return next(self.parameters()).device

    @property
    def name(self) -> str:
        """The model's key in :data:`genmodels.models.MODELS`."""
        here = f"{type(self).__module__}:{type(self).__qualname__}"
        return next(name for name, entry in MODELS.items() if entry.path == here)

    def fresh(self, seed: int, **changes: Any) -> Self:
        """One like it, but for ``changes`` of its hyperparameters, with first weights by ``seed``; on its device."""
        cls: Any = type(self)
        values = self.config | changes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made: Self = cls(values.pop("shape"), **values).to(self.device)
        return made

    def save(self, folder: Path | str, *, weights: Mapping[str, Tensor] | None = None, durable: bool = True) -> None:
        """Write config.json and model.safetensors into ``folder`` (``weights``: other than the model's own)."""
        state = self.state_dict() if weights is None else weights
        tensors = {key: value.detach().contiguous().cpu() for key, value in state.items()}
        shares = {"label_shares": self.label_shares} if self.label_shares else {}
        text = json.dumps({"model": self.name, **self.config, **shares}, indent=2) + "\n"
        write(Path(folder) / CONFIG, text.encode(), durable=durable)
        write(Path(folder) / WEIGHTS, save(tensors), durable=durable)


def _shape(shape: Any) -> tuple[int, ...]:
    """``shape`` checked: (C, H, W) or (2,)."""
    numbers = isinstance(shape, list | tuple) and all(type(n) is int and 0 < n <= 1 << 12 for n in shape)
    if not numbers or len(shape) not in (1, 3) or (len(shape) == 1 and shape[0] != 2):
        raise BadInput(f"shape = {quoted(shape)} is not a shape of data: it is (channels, height, width) or (2,).")
    return tuple(shape)


@contextmanager
def only(model: GenerativeModel, player: str) -> Iterator[None]:
    """Within it, only ``player``'s parameters receive gradients."""
    players = model.players()
    others = [p for name, part in players.items() if name != player for p in part.parameters() if p.requires_grad]
    try:
        for p in others:
            p.requires_grad_(False)
        yield
    finally:
        for p in others:
            p.requires_grad_(True)


def build(config: Mapping[str, Any]) -> GenerativeModel:
    """The untrained model that ``config`` (a config.json, a URL, a form) describes.

    Raises:
        BadInput: If it names no model, or a hyperparameter is not allowed.
    """
    if not isinstance(config, Mapping):
        raise BadInput(
            "A model's configuration must be a JSON object with the keys model, shape and its hyperparameters."
        )
    values = dict(config)
    cls = model_class(str(values.pop("model", None)))
    shares = values.pop("label_shares", ())
    model = cls(values.pop("shape", None), **values)
    model.label_shares = _shares(shares, model.config.get("classes", 0))
    return model


def _shares(shares: Any, classes: int) -> tuple[float, ...]:
    """``shares`` checked: none, or one for each of the classes, that add up to 1."""
    numbers = isinstance(shares, list | tuple) and all(type(one) in (int, float) and 0 <= one <= 1 for one in shares)
    if not numbers or (len(shares) and (len(shares) != classes or abs(sum(shares) - 1) > 1e-6)):
        raise BadInput(f"label_shares must be {classes} shares that add up to 1, one for each of the classes.")
    return tuple(map(float, shares))


def outline(config: Mapping[str, Any]) -> GenerativeModel:
    """The model that ``config`` describes without its numbers: the shapes of its weights; none are allocated.

    Models draw their first weights and do no arithmetic with them: PyTorch would import its compiler for that here, a
    second and 150 MB of a server that needs none of it.

    Raises:
        BadInput: If it describes no model.
    """
    try:
        with torch.device("meta"):
            return build(config)
    except RuntimeError:
        raise BadInput("Its shape and hyperparameters would make a model larger than any memory.") from None


def weigh(config: Mapping[str, Any]) -> tuple[int, int]:
    """Fewest and most bytes of the weights of the model that ``config`` describes; none are allocated.

    Raises:
        BadInput: If it describes no model.
    """
    numbers = [(v.numel(), v.element_size()) for v in outline(config).state_dict().values()]
    return sum(n * min(size, 2) for n, size in numbers), sum(n * max(size, 4) for n, size in numbers) + HEADER


def load(folder: Path | str, *, device: torch.device | str = "cpu", precision: str = "auto") -> GenerativeModel:
    """The model saved in ``folder``, in evaluation mode, float32. Nothing is unpickled.

    Raises:
        BadInput: If the folder holds no model.
        Damaged: If it cannot be read, or its weights do not fit its configuration or are not finite.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / CONFIG).read_text())
        tensors = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise BadInput(f"{folder} holds no model: {Path(error.filename or WEIGHTS).name} is missing.") from None
    except (ValueError, RecursionError):
        raise Damaged(f"{folder / CONFIG} is not JSON.") from None
    except (SafetensorError, OSError) as error:
        raise Damaged(f"{folder / WEIGHTS} is not a readable safetensors file ({error}).") from None
    model = build(config)
    expected = model.state_dict()
    wrong = sorted(k for k in expected.keys() | tensors.keys() if _size(expected.get(k)) != _size(tensors.get(k)))
    if wrong:
        raise Damaged(f"The weights in {folder} do not fit its config.json: {', '.join(wrong[:3])} differ.")
    unknown = [name for name, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()]
    if unknown:
        raise Damaged(f"The weights in {folder} are not all finite: {', '.join(unknown[:3])}.")
    model.load_state_dict(tensors)
    model.precision = precision
    return model.to(device).eval()


def half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """``weights`` in half precision, but for what would not fit."""
    fits = lambda v: v.is_floating_point() and (v.numel() == 0 or v.abs().max() < 60_000)  # noqa: E731
    return {k: v.half() if fits(v) else v for k, v in weights.items()}


def _size(tensor: Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape
