"""The pruning room: observes importance, decides what to remove, applies it, and proves it right.

May touch the exported graph and, for devices, nothing but plain numbers handed to it. Must not know
recipes, data sets or runtimes. Applying works on a copy and is the only mutator.
"""

from pipeline.prune.block_evidence import observe_blocks
from pipeline.prune.block_planning import BlockCost, BlockEvidence, plan_blocks
from pipeline.prune.block_probing import measure_blocks
from pipeline.prune.blocks import Block, find_blocks
from pipeline.prune.importance import CalibrationData
from pipeline.prune.masks import WeightPlan, masks_of
from pipeline.prune.planning import plan
from pipeline.prune.plans import BlockPlan, GroupPlan, PrunePlan
from pipeline.prune.reference import verify
from pipeline.prune.skipping import without_blocks
from pipeline.prune.surgery import apply
from pipeline.prune.weights import plan_weights

__all__ = [
    "Block",
    "BlockCost",
    "BlockEvidence",
    "BlockPlan",
    "CalibrationData",
    "GroupPlan",
    "PrunePlan",
    "WeightPlan",
    "apply",
    "find_blocks",
    "masks_of",
    "measure_blocks",
    "observe_blocks",
    "plan",
    "plan_blocks",
    "plan_weights",
    "verify",
    "without_blocks",
]
