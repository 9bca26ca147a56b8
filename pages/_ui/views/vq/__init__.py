"""The drawings of a VQ-VAE's instruments."""
