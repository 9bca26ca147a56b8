"""The drawings of a diffusion model's instruments."""
