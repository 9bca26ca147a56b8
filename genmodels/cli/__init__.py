"""The command line: ``python -m genmodels``."""
