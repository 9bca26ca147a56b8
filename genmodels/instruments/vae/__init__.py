"""What a page shows of a variational autoencoder, as arrays."""
