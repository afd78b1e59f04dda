import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from pipeline.processing.after import ArgmaxMask, DecodeBoxes, Softmax, TopK
from pipeline.processing.boxes import Detections, detect, overlap
from pipeline.processing.ends import check
from pipeline.processing.finish import Mask, Ranked, finish, softmax
from pipeline.processing.flow import Misfit


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_without_operations_the_values_come_back():
    values = drawn(2, 3)
    assert finish([values], [()])[0] is values


@pytest.mark.parametrize("axis", [0, -1])
def test_softmax_is_scipys(axis: int):
    values = drawn(2, 5, 4) * 100
    (found,) = finish([values], [(Softmax(axis=axis),)])
    expected = special.softmax(values.astype(np.float64), axis=axis if axis < 0 else 1)
    # float32 differences of values up to 400 are exact to 2^-15, and so are the powers, relatively
    np.testing.assert_allclose(found, expected, rtol=2**-14, atol=1e-30)


def test_the_largest_come_first_and_of_equals_the_first():
    values = np.array([[1, 3, 3, 2], [0, 0, 0, 0]], np.float32)
    (found,) = finish([values], [(TopK(k=3),)])
    assert isinstance(found, Ranked)
    assert found.indices.tolist() == [[1, 2, 3], [0, 1, 2]]
    assert found.scores.tolist() == [[3, 3, 2], [0, 0, 0]]


def test_more_than_there_are_is_all():
    (found,) = finish([drawn(1, 3)], [(TopK(k=9),)])
    assert isinstance(found, Ranked) and found.scores.shape == (1, 3)


@pytest.mark.parametrize("axis", [0, -1])
def test_a_mask_is_the_largest_class(axis: int):
    values = drawn(2, 4, 5, 6)
    (found,) = finish([values], [(ArgmaxMask(axis=axis),)])
    assert isinstance(found, Mask)
    assert found.classes.dtype == np.int32
    np.testing.assert_array_equal(found.classes, values.argmax(axis=1 if axis == 0 else 3))


BOXES = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 9, 10]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.8, 0.85], [0.3, 0.7], [0.4, 0.2]], np.float32)


def detections(boxes: np.ndarray, scores: np.ndarray | None, **how) -> list[tuple]:
    (found,) = detect(boxes[None], None if scores is None else scores[None], DecodeBoxes(**how))
    return list(zip(found.classes.tolist(), np.round(found.scores, 6).tolist(), strict=True))


def test_overlapping_boxes_of_a_class_are_one():
    found = detections(BOXES, SCORES)
    assert [one for one, _ in found] == [0, 1, 1]
    assert [one for _, one in found] == pytest.approx([0.9, 0.85, 0.7])


def test_overlapping_boxes_of_any_class_are_one():
    assert [one for one, _ in detections(BOXES, SCORES, per_class=False)] == [0, 1]


def test_thresholds_background_and_the_most_are_kept():
    assert len(detections(BOXES, SCORES, score_threshold=0.86)) == 1
    assert len(detections(BOXES, SCORES, iou_threshold=1)) == 4
    assert {one for one, _ in detections(BOXES, SCORES, background=0)} == {1}
    assert len(detections(BOXES, SCORES, most=2)) == 2
    assert detections(BOXES, SCORES, score_threshold=1) == []


def test_every_form_of_a_box_is_the_same_box():
    centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2
    central = np.concatenate([centres, BOXES[:, 2:] - BOXES[:, :2]], axis=1)
    joined = np.concatenate([BOXES, SCORES], axis=1)
    plain = detect(BOXES[None], SCORES[None], DecodeBoxes())[0]
    for values, scores, how in [
        (central, SCORES, {"form": "cxcywh"}),
        (BOXES[:, [1, 0, 3, 2]], SCORES, {"form": "yxyx"}),
        (joined, None, {}),
        (joined.T, None, {"transposed": True}),
        (BOXES.T, SCORES.T, {"transposed": True}),
    ]:
        (found,) = detect(
            values[None], None if scores is None else scores[None], DecodeBoxes(**how)
        )
        assert_same(found, plain)


def assert_same(found: Detections, expected: Detections) -> None:
    np.testing.assert_allclose(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_offsets_count_from_their_anchors():
    anchors = ((0.5, 0.5, 0.2, 0.4),)
    offsets = np.array([[1.0, -1.0, 0.0, np.log(2) / 0.2]], np.float32)
    how = DecodeBoxes(anchors=anchors, form="cxcywh", activation="sigmoid")
    (found,) = detect(offsets[None], np.array([[[2.0]]], np.float32), how)
    # centre (0.5 + 0.1 * 0.2, 0.5 - 0.1 * 0.4), size (0.2, 0.8)
    np.testing.assert_allclose(found.boxes, [[0.42, 0.06, 0.62, 0.86]], rtol=1e-5)
    np.testing.assert_allclose(found.scores, special.expit(2.0), rtol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_no_two_kept_boxes_overlap_more_than_is_allowed(seed: int, allowed: float):
    values = np.random.default_rng(seed).uniform(0, 1, (1, 30, 2)).astype(np.float32)
    boxes = np.concatenate([values, values + 0.3], axis=2)
    scores = np.random.default_rng(seed + 1).uniform(0, 1, (1, 30, 1)).astype(np.float32)
    (found,) = detect(boxes, scores, DecodeBoxes(iou_threshold=allowed, score_threshold=0))
    assert (np.diff(found.scores) <= 0).all()
    for index, box in enumerate(found.boxes):
        assert (overlap(box, found.boxes[index + 1 :]) <= allowed).all()


def test_scores_that_boxes_use_are_no_result_of_their_own():
    found = finish([BOXES[None], SCORES[None]], [(DecodeBoxes(scores=1),), ()])
    assert found[1] is None
    assert isinstance(found[0], tuple) and len(found[0]) == 1


@pytest.mark.parametrize("axis", [0, -1])
def test_scores_come_after_their_softmax(axis: int):
    logits = SCORES * 9
    turned = axis == 0
    boxes, raw = (BOXES.T, logits.T) if turned else (BOXES, logits)
    how = DecodeBoxes(scores=1, transposed=turned, score_threshold=0.6)
    found, _ = finish([boxes[None], raw[None]], [(how,), (Softmax(axis=axis),)])
    (expected,) = detect(
        BOXES[None], softmax(logits[None], -1), how.model_copy(update={"transposed": False})
    )
    assert len(expected.scores) > 1 and expected.scores.max() <= 1
    np.testing.assert_allclose(found[0].scores, expected.scores, rtol=1e-6)  # 4 roundings of 2^-24
    np.testing.assert_array_equal(found[0].classes, expected.classes)


@pytest.mark.parametrize(
    ("chain", "shapes", "told"),
    [
        ([TopK(), Softmax()], [(3,)], "top_k is the last operation"),
        ([TopK()], [(3, 4)], r"shape \[3, 4\]: it takes \[classes\]"),
        ([TopK(labels=("a",))], [(3,)], "1 labels; allowed: 3"),
        ([Softmax()], [()], "one axis"),
        ([ArgmaxMask()], [(3,)], "height, width"),
        ([ArgmaxMask(axis=-1, labels=("a", "b"))], [(2, 3, 4)], "2 labels; allowed: 4"),
        ([DecodeBoxes(scores=1)], [(9, 4)], "found output 1"),
        ([DecodeBoxes(scores=1)], [(9, 4), (8, 2)], "9 boxes, 8 rows"),
        ([DecodeBoxes(scores=1)], [(9, 5), (9, 2)], "5 numbers for each of 9 boxes; allowed: 4"),
        ([DecodeBoxes()], [(9, 4)], "4 and one for each class"),
        ([DecodeBoxes()], [(4,)], "it takes"),
        ([DecodeBoxes(transposed=True, labels=("a",))], [(6, 9)], "1 labels; allowed: 2"),
        ([DecodeBoxes(anchors=((0, 0, 1, 1),))], [(9, 5)], "1 anchors"),
        ([DecodeBoxes(anchors=((0, 0, 1, 1),))], [(1, 5)], "form xyxy; allowed: cxcywh"),
        ([DecodeBoxes(anchors=((0, 0, 1, 1),), form="yxyx")], [(1, 5)], "form yxyx"),
        ([Softmax(), DecodeBoxes()], [(9, 5)], "first operation; found another before it"),
    ],
)
def test_operations_that_do_not_fit_an_output_are_told(chain, shapes, told):
    with pytest.raises(Misfit, match=told):
        check([chain, ()], 0, shapes)


@pytest.mark.parametrize("one", [TopK(), ArgmaxMask(), DecodeBoxes(scores=0)])
def test_scores_of_boxes_take_a_softmax_alone(one):
    with pytest.raises(Misfit, match=f"{one.op} on the scores of another output's boxes; allowed"):
        check([[DecodeBoxes(scores=1)], [one]], 1, [(9, 4), (9, 4)])


def test_operations_that_fit_an_output_pass():
    check([[Softmax(), TopK(k=5, labels=("a", "b"))]], 0, [(2,)])
    check([[ArgmaxMask(labels=("a", "b"))]], 0, [(2, 4, 4)])
    apart = [[DecodeBoxes(scores=1, labels=("a", "b"))], [Softmax()]]
    for index in range(2):
        check(apart, index, [(9, 4), (9, 2)])
    check([[DecodeBoxes(transposed=True)]], 0, [(84, 8400)])
    check([[DecodeBoxes(anchors=((0, 0, 1, 1),), form="cxcywh")]], 0, [(1, 5)])
