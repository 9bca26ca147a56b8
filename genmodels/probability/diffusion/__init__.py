"""The parts of a diffusion: curves of noise, what a network says of noisy data, walks by a score."""
