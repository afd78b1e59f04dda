"""LSTM and GRU: one hidden size for all layers and directions, gates × hidden in the weights."""

from collections.abc import Sequence

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


def _cells(call: Call) -> list[list[list[Value]]]:
    """Per layer, per direction: input weight, hidden weight, and biases if there are any."""
    values = call.tensors("params")
    per_cell = 4 if call.arguments["has_biases"] else 2
    directions = 2 if call.arguments["bidirectional"] else 1
    cells = [values[at : at + per_cell] for at in range(0, len(values), per_cell)]
    return [cells[at : at + directions] for at in range(0, len(cells), directions)]


def _recurrent(call: Call) -> Result:
    value, states, layers = call.tensor("input"), _states(call), _cells(call)
    hidden, size = states[0].labels[2], states[0].shape[2]
    if any(state.shape[2] != size for state in states):
        raise NotImplementedError("a projection of the hidden state")
    for state in states:
        call.pin(state.labels[0], "keeps a state per layer")
        call.unify(state.labels[2], hidden)
    directions = len(layers[0])
    output = merge(call.terms, [None, hidden], [directions, size])
    incoming: Label = value.labels[2]
    for layer in layers:
        for cell in layer:
            _tie(call, cell, incoming, hidden, size)
        incoming = output
    ends = [[None, None, hidden] for _ in states]
    return ([value.labels[0], value.labels[1], output], *ends)


def _tie(call: Call, cell: Sequence[Value], incoming: Label, hidden: Label, size: int) -> None:
    gates = merge(call.terms, [None, hidden], [cell[0].shape[0] // size, size])
    call.unify(incoming, cell[0].labels[1])
    call.unify(hidden, cell[1].labels[1])
    for value in cell:
        call.unify(gates, value.labels[0])


def _recurrent_macs(call: Call) -> list[Product]:
    lead = dimensions(call.tensor("input"))[:2]
    cells = [cell for layer in _cells(call) for cell in layer]
    return [(*lead, *dimensions(weight)) for cell in cells for weight in cell[:2]]


RECURRENT = Operator(_recurrent, macs=_recurrent_macs)

RULES = {"lstm": RECURRENT, "gru": RECURRENT}
