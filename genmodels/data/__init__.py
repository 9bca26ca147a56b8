"""Data sets: images, densities on the plane whose truth is known, and what a visitor draws or uploads."""
