"""What watches a training run: the progress bar, the health checks, TensorBoard, and watchers of your own."""

from minigan.training.watchers.watcher import Watcher

__all__ = ["Watcher"]
