"""What is measured: likelihoods, distances between samples and data, and what judges of pictures see in them."""
