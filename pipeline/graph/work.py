"""Where a graph's multiply-accumulates are done."""

import math
from collections import Counter

from pipeline.graph.counting import work_of
from pipeline.graph.groups import survey
from pipeline.graph.trace import Graph


def macs_by_node(graph: Graph) -> dict[str, int]:
    """Multiply-accumulates for one sample, by the name of the node; nodes that do none are left
    out."""
    found = survey(graph)
    batch = found.census.batch
    counts: Counter[str] = Counter()
    for name, dimensions in work_of(graph.module, found.labelled, batch):
        counts[name] += math.prod(size for _, size in dimensions)
    return {name: count // batch for name, count in counts.items() if count}
