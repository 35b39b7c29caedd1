"""What watches a training run from step to step: the progress bar, the health checks, TensorBoard."""
