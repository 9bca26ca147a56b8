"""The wall of a class: who is on it, and what hangs there."""
