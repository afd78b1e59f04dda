"""Repairing: what calibration data alone can make good after pruning. No training.

May change the weights of a copy of the pruned graph. Reads activations of the dense graph and of
the pruned one; must not know targets, losses or metrics.
"""

from pipeline.prune.repair.equation import Strength
from pipeline.prune.repair.repairing import Repaired, repair, repair_told

__all__ = ["Repaired", "Strength", "repair", "repair_told"]
