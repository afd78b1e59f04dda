"""How an app calls a generated API, for the card."""

from pipeline.package.interface import InputPort, Interface
from pipeline.processing.sources import Image


def kotlin_call(interface: Interface) -> str:
    """Kotlin that runs one sample."""
    given = ", ".join(_kotlin(port) for port in interface.inputs)
    field = interface.outputs[0].field
    return (
        f"{interface.class_name}.create(context).use {{ model ->\n"
        f"    val result = model.run({given})\n"
        f"    println(result.{field})\n}}"
    )


def swift_call(interface: Interface) -> str:
    """Swift that runs one sample."""
    given = ", ".join(f"{port.field}: {_swift(port)}" for port in interface.inputs)
    field = interface.outputs[0].field
    return (
        f"let model = try {interface.class_name}.create()\n"
        f"let result = try model.run({given})\n"
        f"print(result.{field})"
    )


def _kotlin(port: InputPort) -> str:
    source = port.source
    if isinstance(source, Image) and source.dtype == "uint8":
        return f"Pixels.{source.color}(bitmap)"
    return port.field


def _swift(port: InputPort) -> str:
    source = port.source
    if isinstance(source, Image) and source.dtype == "uint8":
        return f"Pixels.{source.color}(cgImage)!"
    return port.field
