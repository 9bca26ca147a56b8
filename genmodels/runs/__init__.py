"""Runs: a run is a directory, written by one process and read by many."""
