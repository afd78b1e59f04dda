"""Recovery: trains what pruning left until it does again what the dense model did.

Holds the training loop, its loss and its schedule. May touch a graph's weights, on a copy, and the
task's data. Must not know devices, artifacts, or how the graph was pruned.
"""

from pipeline.recover.history import Epoch, Training
from pipeline.recover.trainer import Settling
from pipeline.recover.training import LearntTask, Recovered, recover

__all__ = ["Epoch", "LearntTask", "Recovered", "Settling", "Training", "recover"]
