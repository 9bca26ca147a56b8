"""The drawings of the adversarial models' instruments."""
