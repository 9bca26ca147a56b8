"""What a page shows of a normalizing flow, as arrays."""
