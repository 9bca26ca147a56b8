"""The smallest GAN: data at 0, one sample at θ, a discriminator s(x) = ψx. Does it come to rest, or go round?"""

import numpy as np

from genmodels.instruments.arrays import Array

__all__ = ["dirac"]


def dirac(weight: float, *, rate: float = 0.2, steps: int = 150, start: tuple[float, float] = (1.0, 0.0)) -> Array:
    r"""θ and ψ after 0, 1, …, ``steps`` steps of gradient descent by turns, the discriminator first, (steps + 1, 2).

    The losses are relativistic (or non-saturating: s is 0 at the data), with ``weight`` times R1 = ½ψ². Near (0, 0) a
    step multiplies by a matrix of determinant 1 − rate · weight, its eigenvalues complex if weight < 1 − rate/4. So
    there the two go round without a penalty, and come closer by √(1 − rate · weight) a step with one. Farther out the
    slopes of the two losses differ, and even without one the way leads inwards, ever more slowly.

    Mescheder et al. (2018), Which training methods for GANs do actually converge?, sections 2 and 3.
    https://arxiv.org/abs/1801.04406
    """
    theta, psi = start
    path = [(theta, psi)]
    for _ in range(steps):
        psi -= rate * (theta / (1 + np.exp(-psi * theta)) + weight * psi)  # L_D = log(1 + exp(ψθ)) + weight · ψ²/2
        theta += rate * psi / (1 + np.exp(psi * theta))  # L_G = log(1 + exp(−ψθ))
        path.append((theta, psi))
    return np.array(path)
