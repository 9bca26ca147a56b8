"""The mathematics: densities and divergences, priors, noise schedules, samplers, the bound of a diffusion model."""
