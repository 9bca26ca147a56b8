"""What a page shows of a VQ-VAE, as arrays."""
