"""The queue of trainings and computations, and the worker processes that take turns over it."""
