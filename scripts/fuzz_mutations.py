"""Ways to damage a file: by chance, or as somebody would who means harm. Seeded throughout."""

import random
import re
from collections.abc import Callable

Mutation = Callable[[bytearray, random.Random], None]

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 10**10, -1)
NUMBERS = (
    b"0",
    b"-1",
    b"1e999",
    b"99999999999",
    b"4294967295",
    b"0.0",
    b"null",
    b"[]",
    b'"\\u0000"',
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def mutated(content: bytes, generator: random.Random) -> bytes:
    """The content after one to four mutations, mostly one, never the content itself."""
    changed = bytearray(content)
    while bytes(changed) == content:
        for _ in range(generator.choice((1, 1, 1, 2, 4))):
            generator.choice(MUTATIONS)(changed, generator)
    return bytes(changed)


def _place(content: bytearray, generator: random.Random) -> int:
    return generator.randrange(len(content) + 1)


def _block(content: bytearray, generator: random.Random) -> slice:
    start = _place(content, generator)
    length = generator.choice((1, 2, 4, 8, 16, 64, 256, 4096))
    return slice(start, min(len(content), start + length))


def _flip(content: bytearray, generator: random.Random) -> None:
    for _ in range(generator.randint(1, 8) if content else 0):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)


def _nudge(content: bytearray, generator: random.Random) -> None:
    """One byte becomes another, often its neighbour: what it counts is nearly right."""
    if content:
        at = generator.randrange(len(content))
        by = generator.choice((1, -1, generator.randrange(256)))
        content[at] = (content[at] + by) % 256


def _noise(content: bytearray, generator: random.Random) -> None:
    block = _block(content, generator)
    content[block] = generator.randbytes(block.stop - block.start)


def _zeros(content: bytearray, generator: random.Random) -> None:
    block = _block(content, generator)
    content[block] = bytes(block.stop - block.start)


def _extreme(content: bytearray, generator: random.Random) -> None:
    """An integer of the file's own width becomes one of those that programs trip over."""
    width = generator.choice((1, 2, 4, 8))
    start = _place(content, generator) // width * width
    value = generator.choice(EXTREMES) & (256**width - 1)
    content[start : start + width] = value.to_bytes(width, "little")


def _cut(content: bytearray, generator: random.Random) -> None:
    del content[_place(content, generator) :]


def _remove(content: bytearray, generator: random.Random) -> None:
    del content[_block(content, generator)]


def _repeat(content: bytearray, generator: random.Random) -> None:
    block = _block(content, generator)
    content[block.start : block.start] = content[block] * generator.choice((1, 2, 100))


def _insert(content: bytearray, generator: random.Random) -> None:
    start = _place(content, generator)
    content[start:start] = generator.randbytes(generator.choice((1, 4, 64, 1024)))


def _move(content: bytearray, generator: random.Random) -> None:
    block = _block(content, generator)
    taken = bytes(content[block])
    del content[block]
    start = _place(content, generator)
    content[start:start] = taken


def _number(content: bytearray, generator: random.Random) -> None:
    """A number in text, such as a size in XML or JSON, becomes another one, or none."""
    found = list(_NUMBER.finditer(content[:200_000]))
    if found:
        one = generator.choice(found)
        content[one.start() : one.end()] = generator.choice(NUMBERS)


MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _nudge, _nudge, _nudge, _extreme, _extreme, _extreme, _number, _number, _number),
    *(_noise, _zeros, _cut, _remove, _repeat, _insert, _move),
)
"""Gentle ones more often: what changes a length is soon noticed."""
