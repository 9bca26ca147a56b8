"""Maps that can be undone: each gives log |det J| of every example, in nats, and its inverse. A chain is one again."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from genmodels.flows.couplings import Couplings, Transform

__all__ = ["ActNorm", "Bijection", "Chain", "Coupling", "Flatten", "Linear", "MultiScale", "Permutation", "Squeeze"]


class Bijection(nn.Module):
    """x ↔ z of as many numbers. ``y`` are labels, (B,), for what depends on them."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and log |det ∂z/∂x| in nats, shape (B,)."""
        raise NotImplementedError(f"{type(self).__name__} must say where it maps to")

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The x that is mapped to z."""
        raise NotImplementedError(f"{type(self).__name__} must say how it is undone")


class Chain(Bijection):
    """One bijection after the other; their log-determinants add up (the chain rule)."""

    def __init__(self, parts: Sequence[Bijection]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x through all parts in turn: (B, …), and the sum of their log-determinants, (B,)."""
        total = x.new_zeros(len(x))
        for part in self.parts:
            x, ladj = part(x, y)
            total = total + ladj
        return x, total

    def steps(self, x: Tensor, y: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Map x through the parts in turn: after each, the image of x so far and the part's own log-determinant."""
        for part in self.parts:
            x, ladj = part(x, y)
            yield x, ladj

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Undo all parts, from the last to the first."""
        for part in reversed(self.parts):
            z = part.inverse(z, y)  # type: ignore[operator]
        return z


class Coupling(Couplings, Bijection):
    """A coupling of the first half of the channels (dimension 1) with the second; ``moves`` says which is moved."""

    def __init__(self, network: nn.Module, channels: int, moves: int, transform: Transform) -> None:
        super().__init__([network], [moves], transform)
        self.sizes = halves_of(channels)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Move one half of the channels: (B, C, …), and Σ log g′ over that half, (B,)."""
        halves, (slope,) = self.there(list(x.split(self.sizes, 1)), y)
        return torch.cat(halves, 1), slope.flatten(1).sum(1)

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The half moved back."""
        return torch.cat(self.back(list(z.split(self.sizes, 1)), y), 1)


def halves_of(channels: int) -> tuple[int, int]:
    """How many are in the first half, and in the second."""
    return (channels + 1) // 2, channels // 2


class ActNorm(Bijection):
    """Each channel stretched and shifted; the first batch of a training comes out with mean 0 and variance 1.

    Kingma & Dhariwal (2018), Glow, section 3.1. https://arxiv.org/abs/1807.03039
    """

    is_set: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale, self.shift = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("is_set", torch.zeros((), dtype=torch.bool))
        self._asked = False  # looking at is_set waits for the device: once is enough

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """e^log_scale (x + shift), of each channel."""
        if self.training and not self._asked:
            self._ask(x)
        log_scale, shift = self._shaped(x)
        z = (x + shift) * log_scale.exp()
        return z, self.log_scale.sum().expand(len(x)) * math.prod(x.shape[2:])

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z e^−log_scale − shift."""
        log_scale, shift = self._shaped(z)
        return z * torch.exp(-log_scale) - shift

    def _ask(self, x: Tensor) -> None:
        if not self.is_set:
            self.set(x.detach())
        self._asked = True

    @torch.no_grad()
    def set(self, x: Tensor) -> None:
        """From the mean and variance of a batch, which several processes share."""
        moments = torch.stack([part.transpose(0, 1).flatten(1).mean(1) for part in (x, x.square())])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(moments)
            moments /= torch.distributed.get_world_size()
        mean, square = moments.to(self.shift.dtype)
        self.shift.copy_(-mean)
        self.log_scale.copy_(-0.5 * (square - mean.square()).clamp_min(1e-6).log())
        self.is_set.fill_(True)

    def _shaped(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *[1] * (x.ndim - 2))
        return self.log_scale.view(shape), self.shift.view(shape)


class Linear(Bijection):
    r"""A matrix between the channels (of images: an invertible 1×1 convolution), in its LU decomposition.

    .. math:: W = P L (U + \mathrm{diag}(e^{s})), \qquad \log |\det W| = \sum_i s_i

    P is a fixed permutation, L is lower triangular with ones on its diagonal, U strictly upper triangular.
    Kingma & Dhariwal (2018), Glow, section 3.2, eqs. 10 and 11. https://arxiv.org/abs/1807.03039
    """

    order: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lower, self.upper = (nn.Parameter(torch.zeros(channels, channels)) for _ in range(2))
        self.log_diagonal = nn.Parameter(torch.zeros(channels))
        self.register_buffer("order", torch.arange(channels - 1, -1, -1))

    def factors(self) -> tuple[Tensor, Tensor]:
        """L and U + diag(e^s)."""
        one = torch.eye(len(self.order), dtype=self.lower.dtype, device=self.lower.device)
        return self.lower.tril(-1) + one, self.upper.triu(1) + torch.diag_embed(self.log_diagonal.exp())

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """W x at every place."""
        lower, upper = self.factors()
        with torch.autocast(x.device.type, enabled=False):  # rounded, it would not be undone
            weight = (lower @ upper)[self.order]
            z = (weight @ x.flatten(2) if x.ndim > 2 else x @ weight.T).view_as(x)
        return z, self.log_diagonal.sum().expand(len(x)) * math.prod(x.shape[2:])

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """W⁻¹ z: two triangular systems."""
        lower, upper = self.factors()
        columns = (z.flatten(2) if z.ndim > 2 else z.unsqueeze(2))[:, self.order.argsort()]
        x = torch.linalg.solve_triangular(lower, columns, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, x, upper=True).view_as(z)


class Permutation(Bijection):
    """The channels in another order."""

    order: Tensor
    back: Tensor

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        back = sorted(range(len(order)), key=order.__getitem__)
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.register_buffer("back", torch.tensor(back), persistent=False)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The channels in their new order; volume stays."""
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """In their old one."""
        return z[:, self.back]


class Flatten(Bijection):
    """Images (B, C, H, W) as rows of numbers (B, C·H·W)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The pixels row by row; volume stays."""
        return x.flatten(1), x.new_zeros(len(x))

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Reshape numbers (B, D) to images."""
        return z.unflatten(1, self.shape)


class Squeeze(Bijection):
    """Every square of 2×2 pixels becomes four channels: (B, C, H, W) → (B, 4C, H/2, W/2). Volume stays.

    In the order of ``corners`` of a square (row by row), all channels of a corner together: with the default, the first
    half of the channels are the black squares of a checkerboard, so that a coupling of halves of the channels is one
    with a checkerboard mask. Dinh et al. (2017), Density estimation using Real NVP, sections 3.4 and 3.6.
    """

    def __init__(self, corners: tuple[int, ...] = (0, 3, 1, 2)) -> None:
        super().__init__()
        self.corners = list(corners)
        self.undone = sorted(range(4), key=self.corners.__getitem__)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """A quarter of the places, four times the channels."""
        b, c, h, w = x.shape
        places = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(b, 4, c, h // 2, w // 2)
        return torch.cat([places[:, i] for i in self.corners], 1), x.new_zeros(b)

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The squares of pixels again."""
        b, c, h, w = z.shape
        corners = z.chunk(4, 1)
        places = torch.stack([corners[i] for i in self.undone], 1).view(b, 2, 2, c // 4, h, w)
        return places.permute(0, 3, 4, 1, 5, 2).reshape(b, c // 4, 2 * h, 2 * w)


class MultiScale(Bijection):
    """Levels of which each but the last lets half of its channels go straight to z: (B, C, H, W) → (B, C·H·W).

    Dinh et al. (2017), Density estimation using Real NVP, section 3.6, eqs. 14 to 16.
    """

    def __init__(self, levels: Sequence[Bijection], shapes: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        self.levels, self.shapes = nn.ModuleList(levels), list(shapes)  # of what comes out of each level

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, what left first before what left last."""
        total, gone = x.new_zeros(len(x)), []
        for i, level in enumerate(self.levels):
            x, ladj = level(x, y)
            total = total + ladj
            if i < len(self.levels) - 1:
                x, out = x.chunk(2, 1)
                gone.append(out.flatten(1))
        return torch.cat([*gone, x.flatten(1)], 1), total

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """From the coarsest level up."""
        sizes = [math.prod(shape) // 2 for shape in self.shapes[:-1]]
        *gone, last = z.split([*sizes, math.prod(self.shapes[-1])], 1)
        x = last.view(-1, *self.shapes[-1])
        for i, level in reversed(list(enumerate(self.levels))):
            if i < len(gone):
                x = torch.cat([x, gone[i].view_as(x)], 1)
            x = level.inverse(x, y)  # type: ignore[operator]
        return x
