r"""Two ways to follow an expectation over what is drawn, when the law it is drawn from has parameters too.

.. math:: \nabla_\phi E_{q_\phi(z)}[f(z)] = E_{\epsilon}[\nabla_\phi f(\mu + \sigma \epsilon)]
    = E_{q_\phi(z)}[(f(z) - b)\, \nabla_\phi \log q_\phi(z)]

The first, the reparametrization, asks how f changes as z moves (Kingma & Welling 2014, section 2.4,
https://arxiv.org/abs/1312.6114). The second, the score function or REINFORCE (Williams 1992,
https://doi.org/10.1007/BF00992696), asks for values of f alone: it works where z is discrete, or f has no derivative.
Both are unbiased; a baseline b that does not depend on z changes the variance and nothing else, for E[∇ log q] = 0.
"""

import torch
from torch import Tensor

__all__ = ["baseline", "score_function"]


def baseline(f: Tensor) -> Tensor:
    """The mean of all the other values of ``f``, for each: it does not depend on its own z. Of a single one, 0."""
    return (f.sum() - f) / max(1, f.numel() - 1)


def score_function(f: Tensor, log_q: Tensor, *, with_baseline: bool) -> Tensor:
    """``f`` itself, with (f − b) ∇ log q in its gradient: that of its expectation over z ~ q, drawn without gradient.

    Args:
        f: f(z), of any shape; what gradient it has of its own (a decoder's) is kept.
        log_q: log q(z), of the same shape.
        with_baseline: b is the :func:`baseline`; 0 otherwise.
    """
    value = f.detach()
    b = baseline(value) if with_baseline else torch.zeros_like(value)
    return f + (value - b) * (log_q - log_q.detach())
