"""The speed of each loop against its peers and its limit, side by side in one run."""
