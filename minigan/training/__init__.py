"""Training runs. Each run is a folder with its settings, checkpoints and pictures.

`loop.py` starts or resumes a run, and `trainer.py` trains it.
"""
