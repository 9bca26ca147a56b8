"""What a page shows of a GAN, a Wasserstein GAN or a bidirectional GAN, as arrays."""
