"""Observing: what each channel is worth, as plain numbers. One file per kind of criterion.

May read a graph's weights, and run it on calibration data. Decides nothing and changes nothing.
More is worth more. Scores are comparable between groups: criteria in a layer's own units are given
relative to the mean of the group, criteria that estimate the model's loss or error relative to the
mean of all channels.
"""

from pipeline.prune.calibration import CalibrationData, checked_inputs
from pipeline.prune.importance.evidence import Evidence, GroupEvidence
from pipeline.prune.importance.observing import CRITERIA, observe

__all__ = [
    "CRITERIA",
    "CalibrationData",
    "Evidence",
    "GroupEvidence",
    "checked_inputs",
    "observe",
]
