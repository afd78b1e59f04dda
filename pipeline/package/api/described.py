"""A delivery's inputs and outputs as the templates of a language write them."""

from pipeline.package.api.entering import entering
from pipeline.package.api.language import Language
from pipeline.package.api.leaving import leaving
from pipeline.package.api.ports import Input, Output
from pipeline.package.api.signature import check_signature
from pipeline.package.contents import Delivery
from targets.errors import ConversionError


def described(
    delivery: Delivery, language: Language, dtypes: frozenset[str], runtime: str
) -> tuple[tuple[Input, ...], tuple[Output, ...]]:
    """The inputs and the outputs.

    Args:
        delivery: whose.
        language: that calls are made for.
        dtypes: of the tensors that the runtime's API in this language can carry.
        runtime: what messages call that API.

    Raises ConversionError where an input or output can't be carried.
    """
    interface = delivery.interface
    for port in (*delivery.artifact.inputs, *delivery.artifact.outputs):
        if port.dtype not in dtypes:
            raise ConversionError(
                f"'{port.name}' is {port.dtype}, which {runtime} can't carry; it can: "
                f"{', '.join(sorted(dtypes))}: export with io: float32"
            )
    check_signature(delivery.artifact)
    return (
        tuple(entering(port, language) for port in interface.inputs),
        tuple(leaving(interface, index, language) for index in range(len(interface.outputs))),
    )
