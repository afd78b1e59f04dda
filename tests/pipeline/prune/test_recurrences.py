"""Recurrent layers of every kind, whole or unrolled cell by cell."""

import pytest
import torch
from torch import Tensor, nn

SEQUENCE = torch.randn(1, 6, 24)


def removed(planned) -> dict[str, int]:
    return {group.name: len(group.removed) for group in planned.groups if group.removed}


class Recurrent(nn.Module):
    """A recurrent layer between two linear ones; the head looks at the last output and state."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.into, self.layer, self.head = nn.Linear(24, 12), layer, nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.layer(self.into(x))
        return self.head(y[:, -1])


def test_lstm(prove) -> None:
    net = Recurrent(nn.LSTM(12, 10, 2, batch_first=True, bidirectional=True), 20)
    assert removed(prove(net, SEQUENCE)) == {"into.weight[0]": 6, "layer.weight_ih_l0[0]": 5}


def test_gru(prove) -> None:
    net = Recurrent(nn.GRU(12, 10, batch_first=True, bias=False), 10)
    assert removed(prove(net, SEQUENCE)) == {"into.weight[0]": 6, "layer.weight_ih_l0[0]": 5}


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_plain_recurrence(activation: str, prove) -> None:
    layer = nn.RNN(12, 10, 2, activation, batch_first=True, bidirectional=True)
    half = prove(Recurrent(layer, 20), SEQUENCE)
    assert removed(half) == {"into.weight[0]": 6, "layer.weight_ih_l0[0]": 5}


def test_an_lstm_whose_output_is_projected(prove) -> None:
    """The width of its cells and that of its output go each on its own."""
    layer = nn.LSTM(12, 16, 2, batch_first=True, bidirectional=True, proj_size=10)
    half = prove(Recurrent(layer, 20), SEQUENCE)
    assert removed(half) == {
        "into.weight[0]": 6,
        "layer.weight_ih_l0[0]": 8,
        "layer.weight_hh_l0[1]": 5,
    }


class Unrolled(nn.Module):
    """A GRU cell, an LSTM cell and a plain one, three steps by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Linear(24, 12)
        self.gru, self.lstm = nn.GRUCell(12, 20), nn.LSTMCell(20, 14, bias=False)
        self.plain, self.head = nn.RNNCell(14, 10), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x)
        batch = x.shape[0]
        h, z = x.new_zeros(batch, 20), None
        states = x.new_zeros(batch, 14), x.new_zeros(batch, 14)
        for step in range(3):
            h = self.gru(x[:, step], h)
            states = self.lstm(h, states)
            z = self.plain(states[0], z)
        return self.head(z)


def test_cells(prove) -> None:
    half = prove(Unrolled(), SEQUENCE)
    assert removed(half) == {
        "into.weight[0]": 6,
        "gru.weight_ih[0]": 10,
        "lstm.weight_ih[0]": 7,
        "plain.weight_ih[0]": 5,
    }
    # three steps of each cell's input and hidden weights, six of the first layer, one of the head
    cells = 3 * (3 * 20 * (12 + 20) + 4 * 14 * (20 + 14) + 10 * (14 + 10))
    assert half.macs_dense == 6 * 24 * 12 + cells + 30


class Simple(nn.Module):
    """A simple recurrent unit: elementwise recurrence, all products taken beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.head = nn.Linear(24, 36), nn.Linear(12, 3)
        self.forget, self.pass_on = (nn.Parameter(torch.rand(12)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        value, forget, pass_on = self.into(x).chunk(3, -1)
        state, seen = torch.zeros_like(value[:, 0]), []
        for step in range(x.shape[1]):
            keep = torch.sigmoid(forget[:, step] + self.forget * state)
            state = keep * state + (1 - keep) * value[:, step]
            gate = torch.sigmoid(pass_on[:, step] + self.pass_on * state)
            seen.append(gate * state.tanh() + (1 - gate) * value[:, step])
        return self.head(torch.stack(seen, 1).max(1).values)


def test_a_recurrence_by_hand(prove) -> None:
    assert removed(prove(Simple(), SEQUENCE)) == {"into.weight[0]": 6}
