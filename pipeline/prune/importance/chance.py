"""No knowledge at all: the baseline that every other criterion must beat."""

import numpy as np

from pipeline.graph.groups import Survey
from pipeline.prune.importance.scores import Scores, nothing


def random(survey: Survey, seed: int = 0) -> Scores:
    """Uniform between 0 and 2, so 1 on average, in the order of groups and channels."""
    generator = np.random.default_rng(seed)
    return {atom: 2.0 * float(generator.random()) for atom in nothing(survey)}
