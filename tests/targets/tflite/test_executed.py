"""Which operators a delegate took, from the tensors that go in and come out."""

import numpy as np

from targets.tflite.executed import executed


def node(index: int, kind: str, inputs: list[int], outputs: list[int]) -> dict[str, object]:
    return {
        "index": index,
        "op_name": kind,
        "inputs": inputs,
        "outputs": outputs,
        "operand_types": [np.int8] * len(inputs),
        "result_types": [np.int8] * len(outputs),
    }


def tensor(index: int, shape: list[int]) -> dict[str, object]:
    return {"index": index, "name": f"t{index};from;elsewhere", "shape": np.array(shape)}


def test_a_partition_that_is_split_by_an_operator() -> None:
    # 0 -CONV-> 2 -GELU-> 3 -ADD(2)-> 4; the delegate took CONV and ADD, each in a part
    operators = [
        node(0, "CONV_2D", [0, 1], [2]),
        node(1, "GELU", [2], [3]),
        node(2, "ADD", [3, 2], [4]),
        node(3, "DELEGATE", [0, 1], [2]),
        node(4, "DELEGATE", [3, 2], [4]),
    ]
    image = [1, 4, 4, 8]
    tensors = [tensor(1, [8, 3, 3, 5])] + [tensor(index, image) for index in (0, 2, 3, 4)]
    found = {each.type: each for each in executed(operators, tensors)}
    assert (found["CONV_2D"].partition, found["ADD"].partition) == (0, 1)
    assert found["GELU"].partition is None
    assert found["CONV_2D"].macs == 16 * 8 * 45
    assert found["CONV_2D"].name == "t2"
    assert found["DELEGATE"].role == "partition"
