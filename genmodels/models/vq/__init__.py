"""Vector quantization: the VQ-VAE, its codebook, and the priors over its codes."""
