"""Training mode of an exported graph is that of the eager module, and goes away without a trace."""

import copy

import pytest
import torch
from torch import nn

from pipeline.graph import trace
from pipeline.recover.mode import training


def norms(**settings):
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, **settings), nn.ReLU())


@pytest.mark.parametrize(
    "settings",
    [{}, {"eps": 1e-1, "momentum": 0.5}, {"affine": False}, {"eps": 1e-3, "momentum": 0.01}],
    ids=str,
)
def test_batch_norm_trains_as_the_eager_one_does(settings):
    torch.manual_seed(0)
    eager = norms(**settings)
    module = trace(copy.deepcopy(eager), (torch.zeros(1, 3, 6, 6),)).module
    x = torch.randn(4, 3, 6, 6)
    with training(module):
        found = module(x)
    expected = eager.train()(x)
    # The same kernels on the same values: equal to the last bit.
    assert torch.equal(found, expected)
    assert torch.equal(module.get_buffer("1.running_mean"), eager[1].running_mean)
    assert torch.equal(module.get_buffer("1.running_var"), eager[1].running_var)
    assert torch.equal(module(x), eager.eval()(x))


def test_dropout_keeps_its_rate():
    module = trace(nn.Dropout(0.2), (torch.ones(1, 10_000),)).module
    torch.manual_seed(0)
    with training(module):
        kept = module(torch.ones(1, 10_000))
    # The share dropped of 10,000 has a deviation of sqrt(.2 x .8 / 10,000) = 0.004; five of them.
    assert abs((kept == 0).float().mean() - 0.2) < 0.02
    assert torch.equal(module(torch.ones(1, 10_000)), torch.ones(1, 10_000))


def test_a_norm_that_averages_over_all_batches_still_learns():
    module = trace(norms(momentum=None), (torch.zeros(1, 3, 6, 6),)).module
    before = module.get_buffer("1.running_mean").clone()
    with training(module):
        module(torch.randn(4, 3, 6, 6))
    assert not torch.equal(module.get_buffer("1.running_mean"), before)


def test_it_ends_with_an_error_too():
    module = trace(norms(), (torch.zeros(1, 3, 6, 6),)).module
    code = module.code
    with pytest.raises(ZeroDivisionError), training(module):
        assert module.code != code
        raise ZeroDivisionError
    assert module.code == code


def test_a_norm_that_always_uses_the_batch_goes_on_so():
    eager = norms(track_running_stats=False)
    module = trace(eager, (torch.zeros(1, 3, 6, 6),)).module
    x = torch.randn(4, 3, 6, 6)
    with training(module):
        pass
    assert torch.equal(module(x), eager.eval()(x))
