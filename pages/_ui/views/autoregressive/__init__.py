"""The drawings of an autoregressive model's instruments."""
