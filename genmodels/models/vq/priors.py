"""Which codes occur: what a VQ-VAE draws from. The codes of a picture are a small picture, and so is their model.

A map of codes has a gated PixelCNN, one code of a point its frequency: that is the same categorical law without
neighbours. Van den Oord et al. (2017), section 3.3.
"""

import torch
from torch import Tensor, nn

from genmodels.nn.pixelcnn import PixelCNN
from genmodels.probability.conditionals import Categorical

__all__ = ["CodeFrequencies", "CodeMaps"]


class CodeFrequencies(nn.Module):
    """One code: a logit for each of the K."""

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(codes))
        self.law = Categorical(codes)

    def each(self, codes: Tensor) -> Tensor:
        """log π_k of the one place that there is."""
        return self.log_prob(codes)

    def log_prob(self, codes: Tensor) -> Tensor:
        """log π_k in nats, (B,), for ``codes`` (B,)."""
        return self.logits.log_softmax(0)[codes]

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """Draw ``n`` codes, (n,), from their frequencies."""
        return self.law.code(self.logits.expand(n, -1), rng, temperature)


class CodeMaps(nn.Module):
    """Maps of codes, row by row: a gated PixelCNN to which codes are symbols, neither near nor far.

    Args:
        codes: K.
        size: Height and width of the map.
        channels: Of each stack.
        depth: Gated layers.
    """

    def __init__(self, codes: int, size: tuple[int, int], *, channels: int, depth: int) -> None:
        super().__init__()
        self.size, self.law = size, Categorical(codes)
        order = torch.arange(size[0] * size[1], device="cpu").unsqueeze(0)
        self.network = PixelCNN(order, size, codes, channels=channels, depth=depth, reach=1, symbols=codes)

    def each(self, codes: Tensor) -> Tensor:
        """log p(k_i | k_<i) of every place in nats, (B, H, W), for ``codes`` (B, H, W)."""
        x = self.law.levels(codes.flatten(1))
        return self.law.log_prob(x, self.network(x).to(x.dtype)).view_as(codes)

    def log_prob(self, codes: Tensor) -> Tensor:
        """log p(k) in nats, (B,), exact."""
        return self.each(codes).flatten(1).sum(1)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """``n`` maps, (n, H, W), one place after another."""
        walk = self.network.walk(n)
        place, said = next(walk)
        codes = torch.zeros(n, self.size[0] * self.size[1], dtype=torch.int64, device=said.device)
        for last in range(codes.shape[1] - 1, -1, -1):
            drawn = self.law.code(said, rng, temperature)
            codes[:, place] = drawn
            if last:
                place, said = walk.send(self.law.levels(drawn))
        return codes.view(n, *self.size)
