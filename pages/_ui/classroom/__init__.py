"""The wall of a class: who is on it, and what appears there."""
