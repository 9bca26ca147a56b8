"""The drawings of a variational autoencoder's instruments."""
