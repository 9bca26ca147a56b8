"""Experiments: models × data × settings × seeds, declared in a small file; measured, tabulated, and told apart."""
