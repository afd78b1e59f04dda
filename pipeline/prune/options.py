"""What the groups and blocks of a model may do under limits, and the reasons for those that may
not: a graph's side of a tradeoff."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from pipeline.graph.groups import Survey, survey
from pipeline.graph.trace import Graph
from pipeline.prune.block_effects import effect_of
from pipeline.prune.block_planning import BlockEvidence
from pipeline.prune.blocks import Block, Blocks, look_for_blocks
from pipeline.prune.importance import GroupEvidence
from pipeline.prune.knapsack import losses_of, measured_choices
from pipeline.prune.limits import Charge, Legal, narrowed
from pipeline.prune.patterns import matching
from pipeline.prune.plans import BlockPlan
from pipeline.prune.removable import Removable
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.settings import Settings
from pipeline.prune.tradeoff import Tradeoff
from pipeline.prune.widths import Choices, choices

NOT_CHARGED = "what its widths cost was not measured"
NOT_LEGAL = "no other width that is allowed is legal on the runtime"
_UNMEASURED_BLOCK = "was not measured"


@dataclass(frozen=True)
class Options:
    """A tradeoff of the whole graph's groups; per group that can't be narrowed, why; and all blocks
    as a plan has them where none goes."""

    tradeoff: Tradeoff
    reasons: Mapping[str, str]
    blocks: tuple[BlockPlan, ...]

    def going(self, names: Sequence[str]) -> tuple[BlockPlan, ...]:
        """All blocks, of which these go."""
        return tuple(
            block.model_copy(update={"removed": block.name in names}) for block in self.blocks
        )

    def without(self, closed: Mapping[str, str]) -> "Options":
        """The same with some groups left whole, each for a reason."""
        whole = {name: self.tradeoff.legal.widths[name][-1:] for name in closed}
        return _limited(self, whole, {**self.reasons, **closed})


def options_of(
    graph: Graph,
    settings: Settings,
    charges: Sequence[Charge],
    legal: Legal,
    sensitivity: Sensitivity,
    evidence: BlockEvidence | None,
) -> Options:
    """What is open: widths that are legal, allowed by the settings and no narrower than what was
    measured; blocks that can go, were measured and are not kept.

    A pattern in `keep` means groups, parameters, modules or blocks; a block that holds a kept
    parameter stays. Raises UsageError for a pattern that matches nothing, ValueError for charges
    of other groups or blocks than the graph's.
    """
    whole = survey(graph)
    blocks = look_for_blocks(graph) if evidence is not None else None
    kept, kept_blocks = _kept(graph, whole, blocks, settings)
    open_to = _open(whole, settings, legal, sensitivity, kept)
    free: list[Removable] = []
    plans: list[BlockPlan] = []
    if evidence is not None and blocks is not None:
        stays = _staying(evidence, kept_blocks)
        plans = _plans(evidence, stays)
        free = _removable(graph, blocks, evidence, stays)
    names = {block.name for block in free}
    everything = Legal({name: legal.widths.get(name, (len(atoms),)) for name, atoms in
                        zip(whole.names, whole.members, strict=True)})  # fmt: skip
    tradeoff = Tradeoff(
        everything,
        tuple(_of_blocks(charge, names, evidence) for charge in charges),
        {
            name: losses_of(
                everything.widths[name], len(atoms), sensitivity.divergence.get(name, {})
            )
            for name, atoms in zip(whole.names, whole.members, strict=True)
        },
        tuple(free),
    )
    return _limited(Options(tradeoff, {}, tuple(plans)), *open_to)


def _limited(
    options: Options, widths: Mapping[str, Sequence[int]], reasons: Mapping[str, str]
) -> Options:
    """The same with these widths alone for some groups."""
    before = options.tradeoff
    legal, charges = narrowed(before.legal, before.charges, widths)
    losses = {
        name: before.losses[name][[before.legal.widths[name].index(width) for width in own]]
        for name, own in legal.widths.items()
    }
    return replace(
        options, tradeoff=Tradeoff(legal, charges, losses, before.blocks), reasons=dict(reasons)
    )


def _open(
    whole: Survey,
    settings: Settings,
    legal: Legal,
    sensitivity: Sensitivity,
    kept: Mapping[int, str],
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Per group its widths, and the reason where it stays whole."""
    sizes = [len(atoms) for atoms in whole.members]
    bare = [
        GroupEvidence(name, (0.0,) * size) for name, size in zip(whole.names, sizes, strict=True)
    ]
    own = settings.model_copy(update={"keep": ()})
    open_to = choices(bare, whole.reach, own).without(dict(kept), sizes)
    unknown = {
        number: NOT_CHARGED
        for number, (name, reason) in enumerate(zip(whole.names, open_to.reasons, strict=True))
        if reason is None and name not in legal.widths
    }
    open_to = open_to.without(unknown, sizes)
    open_to = measured_choices(open_to, sizes, whole.names, sensitivity.divergence)
    return _legal(whole.names, sizes, open_to, legal)


def _legal(
    names: Sequence[str], sizes: Sequence[int], open_to: Choices, legal: Legal
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    widths: dict[str, tuple[int, ...]] = {}
    reasons: dict[str, str] = {}
    for name, size, own, reason in zip(names, sizes, open_to.widths, open_to.reasons, strict=True):
        both = tuple(width for width in legal.widths.get(name, (size,)) if width in own)
        widths[name] = both or (size,)
        if reason is not None or widths[name] == (size,):
            reasons[name] = reason or NOT_LEGAL
    return widths, reasons


def _kept(
    graph: Graph, whole: Survey, blocks: Blocks | None, settings: Settings
) -> tuple[dict[int, str], dict[str, str]]:
    """The groups, by number, and the blocks, by name, that patterns keep."""
    found = blocks.found if blocks is not None else ()
    reach = [*whole.reach, *reach_of_blocks(graph, found)]
    groups: dict[int, str] = {}
    kept: dict[str, str] = {}
    for pattern in settings.keep:
        for number in sorted(matching("keep", pattern, reach)):
            if number < len(whole.reach):
                groups[number] = f"kept by '{pattern}'"
            else:
                kept[found[number - len(whole.reach)].name] = f"is kept by '{pattern}'"
    return groups, kept


def reach_of_blocks(graph: Graph, blocks: Sequence[Block]) -> list[tuple[str, ...]]:
    """Per block what a pattern may mean it by: its name, and the stored tensors that it reads."""
    return [(block.name, *_parameters(graph, block)) for block in blocks]


def _parameters(graph: Graph, block: Block) -> list[str]:
    """The stored tensors that a block's nodes read, itself included."""
    inside = [node for node in graph.module.graph.nodes if node.name in block.nodes]
    read = [given for node in inside for given in (node, *node.all_input_nodes)]
    return [str(node.target) for node in read if node.op == "get_attr"]


def _staying(evidence: BlockEvidence, kept: Mapping[str, str]) -> dict[str, str]:
    """Why blocks stay, by name."""
    stays = dict(kept)
    for block in evidence.blocks:
        if block.reason is not None:
            stays[block.name] = block.reason
        elif block.divergence is None or not isfinite(block.divergence):
            stays.setdefault(block.name, _UNMEASURED_BLOCK)
    return stays


def _plans(evidence: BlockEvidence, stays: Mapping[str, str]) -> list[BlockPlan]:
    return [
        BlockPlan(
            name=block.name,
            removed=False,
            macs=block.macs,
            parameters=block.parameters,
            reason=stays.get(block.name),
        )
        for block in evidence.blocks
    ]


def _removable(
    graph: Graph, blocks: Blocks, evidence: BlockEvidence, stays: Mapping[str, str]
) -> list[Removable]:
    known = {block.name: block for block in blocks.found}
    free = {block.name for block in evidence.blocks} - set(stays)
    return [
        Removable(
            block.name,
            float(block.divergence or 0.0),
            tuple(sorted(free & {evidence.blocks[number].name for number in block.overlaps})),
            block.effect or effect_of(graph, blocks, known[block.name]),
        )
        for block in evidence.blocks
        if block.name in free
    ]


def _of_blocks(charge: Charge, names: set[str], evidence: BlockEvidence | None) -> Charge:
    """The charge with blocks that stay taken out of its terms."""
    known = {block.name for block in evidence.blocks} if evidence is not None else None
    for term in charge.terms:
        if known is not None and (foreign := set(term.blocks) - known):
            raise ValueError(f"{charge.limit}: the model has no block {min(foreign)}")
    terms = tuple(
        replace(term, blocks=tuple(name for name in term.blocks if name in names))
        for term in charge.terms
    )
    return replace(charge, terms=terms)
