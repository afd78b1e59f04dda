"""Charges where nothing was probed: the unpruned model's own readings, shared out by its work.

A stand-in for a cost table, and no more: latency does not follow multiply-accumulates (narrow
layers cost more than theirs), so a plan made by it is off, and what was measured corrects it.
Memory is told as a table tells it, from one measured model: what is left of a peak without the
weights and activations that any runtime holds is taken whatever goes.
"""

from collections.abc import Callable, Mapping

import numpy as np

from pipeline.cost.charging import terms
from pipeline.cost.features import Floats, extents_at
from pipeline.cost.footprint import Memory
from pipeline.cost.sites import Kind, Model, Site
from pipeline.prune.limits import Charge, Legal
from targets.conversion import Precision

Count = Callable[[Kind, Floats], Floats]
"""What sites of a kind have, `[n, axes]` to `[n]`."""

BY_WORK = ("latency_ms.p50", "latency_ms.p90", "latency_ms.p95", "latency_ms.p99", "energy_mj")
BY_WEIGHTS = ("size_kb",)


def stand_in(
    model: Model, legal: Legal, whole: Mapping[str, float], precision: Precision
) -> tuple[Charge, ...]:
    """What each limit is charged, at most as much as the unpruned model takes; memory once for
    every moment that can be the peak.

    Args:
        model: the sites.
        legal: the widths that groups may have.
        whole: what the unpruned model takes, by limit on cost, in the limit's unit.
        precision: of its weights and activations.
    """
    found: list[Charge] = []
    for limit, value in whole.items():
        if limit in BY_WORK:
            found.append(_charge(model, legal, limit, value, _work))
        elif limit in BY_WEIGHTS:
            found.append(_charge(model, legal, limit, value, _weights))
        elif limit == "peak_memory_mb":
            memory = Memory(model, precision, [(model.present({}), value)])
            found += memory.charges(value, legal)
    return tuple(found)


def _charge(model: Model, legal: Legal, limit: str, value: float, count: Count) -> Charge:
    """The value shared out over sites, as what is counted is."""
    whole = model.present({})
    total = sum(
        float(count(model.kinds[site.kind], np.array([whole[site.name]], np.float64))[0])
        for site in model.sites
    )
    share = value / total if total else 0.0

    def cost(site: Site, widths: Floats) -> Floats:
        return share * count(model.kinds[site.kind], widths)

    return Charge(limit, value, 0.0 if total else value, terms(model.sites, legal, cost))


def _work(kind: Kind, widths: Floats) -> Floats:
    return extents_at(kind.work, widths)


def _weights(kind: Kind, widths: Floats) -> Floats:
    return extents_at((*kind.matrices, *kind.vectors), widths)
