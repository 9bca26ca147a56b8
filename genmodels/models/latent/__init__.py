"""Where latent variable models start: each of the VAE's ideas alone, with everything exact."""
