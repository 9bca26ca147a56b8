"""The networks of adversarial players: generators, and critics that score examples or pairs.

They are chosen by the data. Points of the plane: plain multilayer perceptrons. Images: ``mlp``, a generator whose
layers double and a critic whose layers halve, or ``conv``: strided convolutions after Radford et al. (2016),
Unsupervised representation learning with deep convolutional GANs, https://arxiv.org/abs/1511.06434, with a dense layer
between them and the noise or the score, as Chen et al. (2016), InfoGAN, https://arxiv.org/abs/1606.03657, use it.
``residual``, for both kinds of data, are those of :mod:`genmodels.nn.fixup`.

A critic here has no batch normalization: a score then depends on its own picture alone, which the gradient penalty
needs and which lets real and generated pictures be scored in one pass.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from genmodels.errors import BadInput
from genmodels.nn import fixup
from genmodels.nn.fixup import SLOPE, FlattenMaps
from genmodels.nn.layers import MLP

__all__ = [
    "ACTIVATIONS",
    "Critic",
    "PairCritic",
    "critic_features",
    "generator",
    "given",
    "normalize_spectrally",
    "power_iteration_",
    "stretch",
]

ACTIVATIONS = ("leaky-relu", "elu")
"""Of a critic: neither is anywhere steeper than 1. ELU has no kinks: Clevert et al. (2016), arXiv:1511.07289."""

MENDING = 200  # power iterations


def given(y: Tensor | None, classes: int) -> Tensor:
    """The labels, which a conditional model cannot do without."""
    if y is None:
        raise BadInput(f"This model is conditional on {classes} classes: give labels y.")
    return y


class Critic(nn.Module):
    r"""A score for each example, shape (B,): a linear function of features, and of their product with the label's.

    .. math:: s(x, y) = w^\top \phi(x) + v_y^\top \phi(x) + b

    Miyato & Koyama (2018), cGANs with projection discriminator, eq. 3. https://arxiv.org/abs/1802.05637

    ``spectral``: every weight has norm 1. ``lipschitz``: what slope is left to the whole is then divided away
    (:meth:`bound`), so that the score of a given label is nowhere steeper in x than 1.
    """

    def __init__(
        self, features: nn.Module, width: int, classes: int = 0, *, spectral: bool = False, lipschitz: bool = False
    ) -> None:
        super().__init__()
        self.lipschitz = lipschitz
        self.features = features
        self.score = nn.Linear(width, 1)
        self.label = nn.Embedding.from_pretrained(torch.randn(classes, width), freeze=False) if classes else None
        if spectral:
            normalize_spectrally(self)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Scores, shape (B,), in the precision of ``x``."""
        h = self.features(x)
        s = self.score(h).squeeze(1)
        if self.label is not None:
            s = s + (self.label(given(y, self.label.num_embeddings)) * h).sum(1)
        return (s / self.bound() if self.lipschitz else s).to(x.dtype)

    def bound(self) -> float:
        """The largest slope in x that a score can have whose weights all have norm 1.

        The layers' :func:`stretch` multiplied; with labels twice that, for ‖w + v_y‖ ≤ ‖w‖ + ‖v_y‖ ≤ 2.
        """
        return math.prod(map(stretch, self.features.modules())) * (1 if self.label is None else 2)


class PairCritic(nn.Module):
    """A score for each pair of an example and a code, shape (B,); convolutions see the example before they meet."""

    def __init__(self, network: str, shape: tuple[int, ...], code: int, hidden: int, *, spectral: bool = False) -> None:
        super().__init__()
        _check(network, shape)
        dropout = 0.3 if len(shape) == 3 else 0.0
        widths = [4 * hidden, 2 * hidden] if len(shape) == 3 else [hidden] * 3
        self.features: nn.Module = nn.Flatten()
        width = math.prod(shape)
        if network == "conv":
            self.features, width = critic_features(network, shape, hidden, dropout=dropout)
            widths = [4 * hidden]
        self.score = nn.Sequential(*_dense([width + code, *widths], dropout), nn.Linear(widths[-1], 1))
        if spectral:
            normalize_spectrally(self)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Scores of the pairs (x, z), shape (B,), in the precision of ``x``."""
        return self.score(torch.cat([self.features(x).to(x.dtype), z], 1)).squeeze(1).to(x.dtype)


class Dropout(nn.Dropout):
    """Dropout that spends 16 random bits on a unit: p is met to 1 in 65,536.

    On the processor torch draws a float for each; in bfloat16 that took a sixth of a discriminator's step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``x`` with a share p of its units at 0 and the others 1/(1 − p) times as large, while training."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        dropped = round(self.p * 2**16)
        keep = bits.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - 2**15
        return x * (keep.to(x.dtype) * (2**16 / (2**16 - dropped)))


def normalize_spectrally(network: nn.Module) -> None:
    """Divide every weight by its largest singular value, found by one power iteration at each training pass.

    That of a convolution is taken of its kernel as a matrix (outputs, inputs · height · width), which is not the norm
    of the map between images: see :func:`stretch`.

    Miyato et al. (2018), Spectral normalization for generative adversarial networks. https://arxiv.org/abs/1802.05957
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            spectral_norm(layer).get_submodule("parametrizations.weight").register_load_state_dict_post_hook(_mend)


def power_iteration_(weight: Tensor, u: Tensor, v: Tensor) -> None:
    """Move u and v in place towards the first singular vectors of ``weight`` as a matrix (outputs, the rest)."""
    matrix = weight.flatten(1)
    u.copy_(nn.functional.normalize(matrix @ v, dim=0))
    v.copy_(nn.functional.normalize(matrix.T @ u, dim=0))


@torch.no_grad()
def _mend(normalized: nn.Module, _: object) -> None:
    """Find the vectors of a loaded weight anew if they are averages of unit vectors, so shorter than those in float16.

    uᵀWv would be less than W's norm, and what is divided by it longer than 1.
    """
    weight, u, v = normalized.get_parameter("original"), normalized.get_buffer("0._u"), normalized.get_buffer("0._v")
    if min(u.norm(), v.norm()) < 1 - 2**-10:  # rounding to float16 takes 2⁻¹¹ at most
        for _ in range(MENDING):
            power_iteration_(weight, u, v)


def stretch(layer: nn.Module) -> float:
    """How many times longer a layer may make a difference of two inputs, if its weight as a matrix has norm 1.

    A convolution is that matrix applied to every patch. With kernels of k pixels every s of them a pixel lies in at
    most ⌈k/s⌉ patches along each side, so that all patches together are at most √(⌈k/s⌉ · ⌈k/s⌉) times as long as the
    image: 2 for a kernel of 4 at stride 2. Compare Cisse et al. (2017), Parseval networks, on convolutions.
    https://arxiv.org/abs/1704.08847
    """
    if not isinstance(layer, nn.Conv2d):
        return 1.0
    return math.sqrt(math.prod(-(-k // s) for k, s in zip(layer.kernel_size, layer.stride, strict=True)))


def generator(network: str, inputs: int, shape: tuple[int, ...], hidden: int) -> nn.Module:
    r"""A network from (B, inputs) to data (B, \*shape); images are squashed to [−1, 1] by tanh."""
    _check(network, shape)
    if len(shape) == 1:
        plain = network != "residual"
        return MLP(inputs, *[hidden] * 3, *shape) if plain else fixup.point_generator(inputs, *shape, hidden)
    if network == "residual":
        return fixup.ImageGenerator(inputs, *_stages(shape, hidden))
    if network == "conv":
        return ConvGenerator(inputs, shape, hidden)
    widths = [hidden, 2 * hidden, 4 * hidden, 8 * hidden]
    layers: list[nn.Module] = [nn.Linear(inputs, hidden), nn.LeakyReLU(SLOPE)]
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape))


def critic_features(
    network: str, shape: tuple[int, ...], hidden: int, *, dropout: float, activation: str = "leaky-relu"
) -> tuple[nn.Module, int]:
    r"""The hidden layers of a critic, from data (B, \*shape) to (B, width), and that width."""
    _check(network, shape)
    if network == "residual":
        points = len(shape) == 1
        features = fixup.point_features(shape[0], hidden) if points else fixup.image_features(*_stages(shape, hidden))
        return features, hidden if points else 4 * hidden
    if len(shape) == 1:
        return nn.Sequential(*_dense([*shape, hidden, hidden, hidden], 0.0, activation)), hidden
    if network == "mlp":
        widths = [math.prod(shape), 4 * hidden, 2 * hidden]
        return nn.Sequential(nn.Flatten(), *_dense(widths, dropout, activation)), 2 * hidden
    channels = _stages(shape, hidden)[0]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(channels):
        layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), _activation(activation)]
    height, width = (size >> (len(channels) - 1) for size in shape[1:])  # a kernel of 4 halves and rounds down
    dense = _dense([hidden * height * width, 4 * hidden], dropout, activation)
    # channels last: a turn of a critic with gradient penalty takes a fifth less on the processor
    return nn.Sequential(*layers, FlattenMaps(), *dense).to(memory_format=torch.channels_last), 4 * hidden


def _dense(sizes: list[int], dropout: float, activation: str = "leaky-relu") -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), _activation(activation)] + ([Dropout(dropout)] if dropout else [])
    return layers


def _activation(name: str) -> nn.Module:
    return nn.ELU() if name == "elu" else nn.LeakyReLU(SLOPE)


class ConvGenerator(nn.Module):
    """(B, inputs) → (B, C, H, W) in [−1, 1]: transposed convolutions that double the size and halve the channels."""

    def __init__(self, inputs: int, shape: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        channels, self.sizes = _stages(shape, hidden)
        self.first = (*self.sizes[-1], channels[-1])
        self.dense = nn.Sequential(
            *(nn.Linear(inputs, 4 * hidden), nn.BatchNorm1d(4 * hidden), nn.ReLU()),
            nn.Linear(4 * hidden, math.prod(self.first)),
        )
        widths = channels[:0:-1]  # from the smallest map up, the image's own channels left out
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in widths)
        outs = [*widths[1:], shape[0]]
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1) for n_in, n_out in zip(widths, outs, strict=True)
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        """Images of ``z``, shape (B, C, H, W)."""
        h = self.dense(z).unflatten(1, self.first).permute(0, 3, 1, 2)
        for norm, up, (height, width) in zip(self.norms, self.ups, reversed(self.sizes[:-1]), strict=True):
            h = up(torch.relu(norm(h)))[..., :height, :width]
        return torch.tanh(h)


def _stages(shape: tuple[int, ...], hidden: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Channels and sizes from the image down to its smallest map: about 7 pixels or less, ``hidden`` channels."""
    channels, height, width = shape
    halvings = max(2, math.ceil(math.log2(min(height, width) / 7)))
    widths = [max(1, hidden >> (halvings - i)) for i in range(1, halvings + 1)]
    return [channels, *widths], [(-(-height // 2**i), -(-width // 2**i)) for i in range(halvings + 1)]


def _check(network: str, shape: tuple[int, ...]) -> None:
    is_small = len(shape) == 3 and min(shape[1:]) < 8
    if (network != "mlp" and is_small) or (network == "conv" and len(shape) != 3):
        raise BadInput(f"network = {network} needs images of at least 8×8, not data of shape {shape}: use mlp.")
