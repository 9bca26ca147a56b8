"""The page of a model: training, curves, the time machine, samples, theory, downloads."""
