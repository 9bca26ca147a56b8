"""The views of latent variable models whose posterior is exact."""
