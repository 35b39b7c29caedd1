"""Training runs. Each run is a folder with its settings, checkpoints and pictures; `loop.py` trains."""
