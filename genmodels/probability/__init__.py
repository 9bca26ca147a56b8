"""The mathematics: densities and divergences, priors, noise schedules, samplers, bounds and likelihoods."""
