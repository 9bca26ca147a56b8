"""What a page shows of a diffusion model, as arrays."""
