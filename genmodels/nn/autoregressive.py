r"""Networks for :math:`p(x) = \prod_i p(x_i \mid x_{<i})`: what they say of x_i depends on what comes before it alone.

Each goes two ways. ``forward`` says all conditionals of a whole example at once: to learn, and to score. ``walk`` is a
coroutine for sampling: it yields one dimension after another with the parameters of its law, and is sent what was
drawn. What it has computed it keeps, so that a whole example costs it about one ``forward`` and not one a dimension.
"""

from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["MADE", "NADE", "Recursion", "Walk", "label_of", "table_of"]

Walk = Generator[tuple[int, Tensor], Tensor, None]
"""Yields (i, what is said of x_i, (B, K)); is sent x_i, (B,)."""


def label_of(table: nn.Embedding | None, y: Tensor | None) -> Tensor | float:
    """The bias that a label adds to a layer, (B, units); 0 where there are no labels."""
    return 0.0 if table is None or y is None else table(y)


def table_of(classes: int, units: int) -> nn.Embedding | None:
    """A vector for each label; None where there are none."""
    return nn.Embedding.from_pretrained(torch.randn(classes, units), freeze=False) if classes else None


# NADE -----------------------------------------------------------------------------------------------------------------


class NADE(nn.Module):
    r"""The neural autoregressive distribution estimator: one hidden layer for each dimension, all sharing one W.

    .. math:: h_i = \sigma(c + W_{\cdot, <i} x_{<i}), \qquad \text{said of } x_i: b_i + V_i h_i

    Larochelle & Murray (2011), eqs. 2 and 3. https://proceedings.mlr.press/v15/larochelle11a.html

    Args:
        order: The dimensions in the order in which they come, (1, D).
        outputs: Numbers K said of each.
        hidden: Units H.
        classes: Labels, which move c and b; 0: none.
    """

    order: Tensor

    def __init__(self, order: Tensor, outputs: int, *, hidden: int, classes: int = 0) -> None:
        super().__init__()
        d = order.shape[1]
        self.register_buffer("order", order[0], persistent=False)
        self.W = nn.Parameter(torch.empty(d, hidden))
        self.V = nn.Parameter(torch.empty(d, hidden, outputs))
        self.b, self.c = nn.Parameter(torch.zeros(d, outputs)), nn.Parameter(torch.zeros(hidden))
        reach = (3 / hidden) ** 0.5  # a standard deviation of 1/√H
        for weight in (self.W, self.V):
            nn.init.uniform_(weight, -reach, reach)
        self.to_c = table_of(classes, hidden)
        self.to_b = table_of(classes, d * outputs)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The K numbers of each dimension's law given those before it, (B, D, K), for ``x`` (B, D)."""
        with torch.autocast(x.device.type, enabled=False):  # a sum of 784 terms
            start = self.c.expand(len(x), -1) + label_of(self.to_c, y)
            said = Recursion.apply(x[:, self.order], self.W, self.V, start)[:, self.order.argsort()]
            return said + self.b + self._of_label(y)

    def _of_label(self, y: Tensor | None) -> Tensor | float:
        of = label_of(self.to_b, y)
        return of.unflatten(1, self.b.shape) if isinstance(of, Tensor) else of

    def walk(self, n: int, y: Tensor | None = None, k: int = 0) -> Walk:
        """The recursion with each x_i as it is drawn."""
        a = self.c.expand(n, -1) + label_of(self.to_c, y)
        b = self.b + self._of_label(y)
        for t, i in enumerate(self.order.tolist()):
            x_i = yield i, a.sigmoid() @ self.V[t] + b[..., i, :]
            a = torch.addr(a, x_i, self.W[t])


class Recursion(torch.autograd.Function):
    r"""a₁ = c, a_{i+1} = a_i + x_i W_i, said of x_i: V_i σ(a_i). O(DH) for an example (section 2.1, algorithm 1).

    On the way back a_i is a_{i+1} less what i added to it: so memory is O(BH), not O(BDH).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, V: Tensor, start: Tensor) -> Tensor:
        """V_i σ(a_i) of all i, (B, D, K), for x (B, D), W (D, H), V (D, H, K) and c (B, H)."""
        a, said = start.clone(), x.new_empty(x.shape[1], len(x), V.shape[2])
        for i in range(len(W)):
            torch.matmul(a.sigmoid(), V[i], out=said[i])
            a.addr_(x[:, i], W[i])
        ctx.save_for_backward(x, W, V, a)
        return said.transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """The gradients with respect to x, W, V and c, by the recursion from its end to its beginning."""
        x, W, V, a = ctx.saved_tensors
        g = gradients[0].transpose(0, 1).contiguous()  # (D, B, K)
        a, of_a = a.clone(), torch.zeros_like(a)
        of_x, of_W, of_V = torch.empty_like(x), torch.empty_like(W), torch.empty_like(V)
        for i in reversed(range(len(W))):
            of_W[i], of_x[:, i] = x[:, i] @ of_a, of_a @ W[i]
            h = a.addr_(x[:, i], W[i], alpha=-1).sigmoid()
            of_V[i] = h.T @ g[i]
            of_a += (g[i] @ V[i].T) * h * (1 - h)
        return of_x, of_W, of_V, of_a


# MADE -----------------------------------------------------------------------------------------------------------------


class MADE(nn.Module):
    """The masked autoencoder: a perceptron in which weights are missing, so that output i sees inputs before i alone.

    Each unit has a degree: it sees the inputs of that place in the order and of those before it. A weight is there
    where the degree does not fall on the way to a hidden unit, and rises on the way to an output. Germain et al.
    (2015), eqs. 13 and 14. https://arxiv.org/abs/1502.03509

    With several masks the same weights serve several orders, or several ways of being connected in one (section 4.2).

    Args:
        orders: The dimensions in the order in which they come, (M, D): one row a mask.
        outputs: Numbers K said of each dimension.
        hidden: Units of a hidden layer.
        depth: Hidden layers.
        classes: Labels, which are seen by every unit; 0: none.
    """

    places: Tensor
    degrees: Tensor

    def __init__(self, orders: Tensor, outputs: int, *, hidden: int, depth: int, classes: int = 0) -> None:
        super().__init__()
        masks, d = orders.shape
        self.outputs = outputs
        self.register_buffer("places", orders.argsort(1), persistent=False)
        self.register_buffer("degrees", _degrees(masks, depth, hidden, d), persistent=False)
        self.hidden: Any = nn.ModuleList(nn.Linear(n, hidden) for n in (d, *[hidden] * (depth - 1)))
        self.out = nn.Linear(hidden, d * outputs)
        self.to_hidden = table_of(classes, hidden)
        self.to_out = table_of(classes, d * outputs)

    def forward(self, x: Tensor, y: Tensor | None = None, k: Tensor | int = 0) -> Tensor:
        """The K numbers of each dimension's law under mask ``k``, (B, D, K), for ``x`` (B, D)."""
        if isinstance(k, int):
            place, degrees = self.places[k], self.degrees[k]
        else:  # on a GPU: nothing waits to know which
            place, degrees = (table.index_select(0, k.view(1))[0] for table in (self.places, self.degrees))
        h, before, label = x, place, label_of(self.to_hidden, y)
        for layer, degree in zip(self.hidden, degrees, strict=True):
            h = torch.relu(F.linear(h, layer.weight * (degree[:, None] >= before), layer.bias) + label)
            before, label = degree, 0.0
        mask = (place[:, None] > before).repeat_interleave(self.outputs, 0)
        said = F.linear(h, self.out.weight * mask, self.out.bias) + label_of(self.to_out, y)
        return said.unflatten(1, (-1, self.outputs))

    def walk(self, n: int, y: Tensor | None = None, k: int = 0) -> Walk:
        """Each unit is computed once, as soon as all that it sees has been drawn: those of degree t after place t."""
        order, d = self.places[k].argsort(), self.places.shape[1]
        at, layers = order, []  # at: the units before a layer, by degree
        for layer, degree in zip(self.hidden, self.degrees[k], strict=True):
            units = degree.argsort(stable=True)
            ends = torch.bincount(degree, minlength=d).cumsum(0).tolist()
            h = layer.weight.new_zeros(n, len(units))
            layers.append((layer.weight[units][:, at], layer.bias[units], units, ends, h))
            at = units
        bias = self.out.bias + label_of(self.to_out, y)
        label, x = label_of(self.to_hidden, y), self.out.weight.new_zeros(n, d)
        last, rows = layers[-1][4], self.out.weight[:, at].view(d, self.outputs, -1)
        for t, i in enumerate(order.tolist()):
            seen = layers[-1][3][t - 1] if t else 0
            said = last[:, :seen] @ rows[i, :, :seen].T
            x[:, t] = yield i, said + bias[..., i * self.outputs : (i + 1) * self.outputs]
            before, known, add = x, t + 1, label
            for weight, own, units, ends, h in layers:
                new = slice(ends[t - 1] if t else 0, ends[t])
                more = add[:, units[new]] if isinstance(add, Tensor) else add
                h[:, new] = torch.relu(before[:, :known] @ weight[new, :known].T + own[new] + more)
                before, known, add = h, ends[t], 0.0


def _degrees(masks: int, depth: int, hidden: int, d: int) -> Tensor:
    """The degrees 0 … D − 2 of the hidden units, each as often, (M, depth, hidden); every mask deals them anew."""
    even = torch.arange(hidden, device="cpu") * (d - 1) // hidden
    rng = torch.Generator().manual_seed(0)
    dealt = [torch.randperm(hidden, generator=rng, device="cpu") for _ in range((masks - 1) * depth)]
    return torch.stack([even] * depth + [even[order] for order in dealt]).view(masks, depth, hidden)
