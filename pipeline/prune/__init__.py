"""The pruning room: observes importance, decides what to remove, applies it, and proves it right.

May touch the exported graph and, for devices, nothing but plain numbers handed to it. Must not know
recipes, data sets or runtimes. Applying works on a copy and is the only mutator.
"""

from pipeline.prune.planning import plan
from pipeline.prune.plans import GroupPlan, PrunePlan
from pipeline.prune.reference import verify
from pipeline.prune.surgery import apply

__all__ = ["GroupPlan", "PrunePlan", "apply", "plan", "verify"]
