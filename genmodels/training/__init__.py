"""Training: the one loop, how it is to train, and several processes that train one model."""
