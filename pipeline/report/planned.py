"""The document's part on plans: what was tried before any recovery, and the front of a sweep."""

from pydantic import Field

from pipeline.report.section import Reading, Section, Status


class Charged(Section):
    """One limit of a whole model that was measured before recovery, in the limit's unit.

    Attributes:
        runtime: where it was measured.
        limit: the limit's name.
        budget: the limit as a number.
        charged: the most that the plan was allowed, in the cost model's terms.
        predicted: what the cost model said of the plan.
        observed: the median over processes.
        bound: the slowest process's.
        residual: how far the prediction was off: 0.05 is 5 % more than was predicted.
        corrected: the most that a plan after it is allowed.
    """

    runtime: str
    limit: str
    budget: float
    charged: Reading
    predicted: Reading
    observed: Reading
    bound: Reading
    residual: Reading
    corrected: Reading


class SearchTry(Section):
    """A plan on the way to the one chosen.

    Attributes:
        plan: what it is known by; empty for the unpruned model.
        runtimes: those that it was planned for.
        macs: the share of the dense model's multiply-accumulates that it keeps.
        blocks: the blocks that go.
        divergence: of the outputs from the dense ones, as the plan expects it, in nats.
        limits: what each limit taught.
        meets: whether every limit held, as far as it was measured.
        chosen: whether the run went on with it.
        unreachable: why no plan meets the limits, where none does.
    """

    plan: str
    runtimes: tuple[str, ...]
    macs: Reading
    blocks: tuple[str, ...] = ()
    divergence: Reading
    limits: tuple[Charged, ...] = ()
    meets: bool
    chosen: bool = False
    unreachable: str = ""


class FrontPoint(Section):
    """A point of a sweep on one runtime: the whole way at one value of the swept limit.

    Attributes:
        limit: the limit that was swept.
        stated: its value as it was asked for.
        budget: its value as a number.
        observed: what the final artifact took of it.
        name: the candidate.
        latency_ms: its median latency.
        size_bytes: its size.
        metric: the metric that the report speaks of.
        dominated: whether another point of this runtime is faster and no worse, or better and no
            slower.
    """

    runtime: str
    limit: str
    stated: str
    budget: Reading
    observed: Reading
    name: str
    latency_ms: float
    size_bytes: int = Field(gt=0)
    metric: Reading
    status: Status
    dominated: bool = False
    selected: bool = False
