"""How much neighbouring samples hang together. Pure."""

from collections.abc import Sequence

import numpy as np


def autocorrelation(samples: Sequence[float]) -> float:
    """Spearman's rank correlation of each sample with the next, -1 to 1.

    It is 0 where no sample differs, and of fewer than 3.

    Near 1, many samples tell little more than one. Ranks, as one sample that was interrupted would
    hide in Pearson's all that there is (Spearman 1904; equal samples share their mean rank).
    """
    if len(samples) < 3:
        return 0.0
    _, which, counts = np.unique(np.asarray(samples), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[which]
    before, after = ranks[:-1] - ranks[:-1].mean(), ranks[1:] - ranks[1:].mean()
    spread = float(np.sqrt((before**2).sum() * (after**2).sum()))
    return float((before * after).sum()) / spread if spread else 0.0
