"""The real code of language and vision models, small and untrained, by the library's configs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

transformers = pytest.importorskip("transformers")

WORDS, TARGET = torch.arange(7)[None] + 3, torch.arange(5)[None] + 3
LANGUAGE = {
    "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 32, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip
VISION = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip


class Logits(nn.Module):
    """A model that takes tensors in order and gives its logits alone."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model(**dict(zip(self.names, inputs, strict=True))).logits


def model(name: str, config: str, **settings: object) -> nn.Module:
    built = getattr(transformers, config)(**settings)
    return getattr(transformers, name)(built)


def image(side: int) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))


Case = tuple[Callable[[], nn.Module], tuple[str, ...], tuple[Tensor, ...]]
ONE, TWO, PIXELS = ("input_ids",), ("input_ids", "decoder_input_ids"), ("pixel_values",)
CASES: dict[str, Case] = {
    "bert": (
        lambda: model("BertForSequenceClassification", "BertConfig", **LANGUAGE), ONE, (WORDS,),
    ),
    "t5": (
        lambda: model(
            "T5ForConditionalGeneration", "T5Config", vocab_size=64, d_model=32, d_kv=8, d_ff=48,
            num_layers=2, num_heads=4, use_cache=False,
        ),
        TWO, (WORDS, TARGET),
    ),
    "llama": (
        lambda: model(
            "LlamaForCausalLM", "LlamaConfig", num_key_value_heads=2, use_cache=False, **LANGUAGE
        ),
        ONE, (WORDS,),
    ),
    "vit": (
        lambda: model("ViTForImageClassification", "ViTConfig", **VISION), PIXELS, (image(32),),
    ),
    "swin": (
        lambda: model(
            "SwinForImageClassification", "SwinConfig", image_size=32, patch_size=2, embed_dim=16,
            depths=[2, 2], num_heads=[2, 4], window_size=4,
        ),
        PIXELS, (image(32),),
    ),
    "cvt": (  # its stages need more blocks than their own number
        lambda: model(
            "CvtForImageClassification", "CvtConfig", embed_dim=[16, 24, 32], num_heads=[1, 3, 4],
            depth=[1, 2, 3],
        ),
        PIXELS, (image(64),),
    ),
    "deberta": (
        lambda: model(
            "DebertaV2ForSequenceClassification", "DebertaV2Config", relative_attention=True,
            pos_att_type=["c2p", "p2c"], **LANGUAGE,
        ),
        ONE, (WORDS,),
    ),
    "mobilevit": (
        lambda: model(
            "MobileViTForImageClassification", "MobileViTConfig", hidden_sizes=[16, 24, 32],
            neck_hidden_sizes=[8, 8, 16, 16, 16, 24, 48], num_attention_heads=4, image_size=64,
        ),
        PIXELS, (image(64),),
    ),
    "segformer": (
        lambda: model(
            "SegformerForSemanticSegmentation", "SegformerConfig", hidden_sizes=[8, 16, 24, 32],
            num_attention_heads=[1, 2, 3, 4], depths=[1, 1, 1, 1], decoder_hidden_size=24,
        ),
        PIXELS, (image(64),),
    ),
}  # fmt: skip
QUICK = ("bert", "t5", "llama", "vit", "swin", "cvt")
EXPORTED = ("bert", "t5", "llama", "vit", "swin")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_pruned(name: str, journey) -> None:
    make, names, inputs = CASES[name]
    journey(Logits(make(), names), *inputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
def test_exported(name: str, journey, exported) -> None:
    make, names, inputs = CASES[name]
    exported(journey(Logits(make(), names), *inputs))
