"""A training run as a folder: its settings, its checkpoints, the loop, the pictures."""
