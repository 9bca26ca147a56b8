"""What shows how a latent variable model with an exact posterior learns, and what likelihood has to do with it."""
