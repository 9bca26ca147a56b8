"""The drawings of a normalizing flow's instruments."""
