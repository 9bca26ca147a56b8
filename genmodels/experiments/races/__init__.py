"""Races: families with the same points and the same budget, begun with one click and followed as they learn."""
