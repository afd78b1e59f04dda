"""LSTM, GRU and plain recurrences, whole or by the cell: one width for layers and directions."""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.graph.operators.entry import (
    Call,
    Operator,
    Product,
    Result,
    Value,
    dimensions,
)
from pipeline.graph.reshape import merge
from pipeline.graph.terms import Label


def _states(call: Call) -> list[Value]:
    return (
        call.tensors("hx")
        if isinstance(call.arguments["hx"], (list, tuple))
        else [call.tensor("hx")]
    )


def _cells(call: Call, projected: bool) -> list[list[list[Value]]]:
    """Per layer, per direction: input weight, hidden weight, the biases if there are any, and the
    projection if there is one."""
    values = call.tensors("params")
    per_cell = (4 if call.arguments["has_biases"] else 2) + projected
    directions = 2 if call.arguments["bidirectional"] else 1
    cells = [values[at : at + per_cell] for at in range(0, len(values), per_cell)]
    return [cells[at : at + directions] for at in range(0, len(cells), directions)]


def _projects(states: Sequence[Value]) -> bool:
    """Whether what an LSTM gives is narrower than what it keeps in its cells."""
    return states[0].shape[2] != states[-1].shape[2]


def _recurrent(call: Call) -> Result:
    """Of an LSTM the states are what it gave last (`hidden`) and what its cells hold (`inner`):
    of one width, unless what it gives is projected."""
    value, states = call.tensor("input"), _states(call)
    projected = _projects(states)
    for state in states:
        call.pin(state.labels[0], "keeps a state per layer")
        if not projected:
            call.unify(state.labels[2], states[0].labels[2])
    hidden, inner = (Dimensioned(one.labels[2], one.shape[2]) for one in (states[0], states[-1]))
    layers = _cells(call, projected)
    output = merge(call.terms, [None, hidden.label], [len(layers[0]), hidden.size])
    incoming: Label = value.labels[2]
    for layer in layers:
        for cell in layer:
            _tie(call, cell[: len(cell) - projected], incoming, hidden, inner)
            if projected:
                call.unify(hidden.label, cell[-1].labels[0])
                call.unify(inner.label, cell[-1].labels[1])
        incoming = output
    ends = [[None, None, state.labels[2]] for state in states]
    return ([value.labels[0], value.labels[1], output], *ends)


class Dimensioned(NamedTuple):
    """A label and how many indices it has."""

    label: Label
    size: int


def _tie(
    call: Call, cell: Sequence[Value], incoming: Label, hidden: Dimensioned, inner: Dimensioned
) -> None:
    """All of a cell's rows are gates × inner width; its columns are what comes in."""
    gates = cell[0].shape[0] // inner.size
    rows = merge(call.terms, [None, inner.label], [gates, inner.size])
    call.unify(incoming, cell[0].labels[1])
    call.unify(hidden.label, cell[1].labels[1])
    for value in cell:
        call.unify(rows, value.labels[0])


def _recurrent_macs(call: Call) -> list[Product]:
    lead = dimensions(call.tensor("input"))[:2]
    projected = _projects(_states(call))
    cells = [cell for layer in _cells(call, projected) for cell in layer]
    multiplied = [
        weight for cell in cells for weight in (*cell[:2], *cell[len(cell) - projected :])
    ]
    return [(*lead, *dimensions(weight)) for weight in multiplied]


def _cell(call: Call) -> Result:
    """One step of one layer."""
    value, states = call.tensor("input"), _states(call)
    hidden = Dimensioned(states[0].labels[-1], states[0].shape[-1])
    for state in states:
        call.unify(state.labels[-1], hidden.label)
    found = [call.tensor_or_none(name) for name in ("w_ih", "w_hh", "b_ih", "b_hh")]
    _tie(call, [one for one in found if one], value.labels[-1], hidden, hidden)
    lead = value.labels[:-1]
    return call.alike([*lead, hidden.label])


def _cell_macs(call: Call) -> list[Product]:
    lead = dimensions(call.tensor("input"))[:-1]
    return [(*lead, *dimensions(call.tensor(name))) for name in ("w_ih", "w_hh")]


RECURRENT = Operator(_recurrent, macs=_recurrent_macs)
CELL = Operator(_cell, macs=_cell_macs)

RULES = {
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), RECURRENT),
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), CELL),
}
