"""Runs and computations in the hands of other computers: sent there as folders, followed, and brought back."""
