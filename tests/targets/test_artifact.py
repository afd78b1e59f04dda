import hashlib
from pathlib import Path

from targets.artifact import digest


def test_a_digest_covers_every_byte_of_every_file(tmp_path: Path) -> None:
    contents = [bytes([number]) * (1_500_000 + number) for number in range(3)]
    files = [tmp_path / str(number) for number in range(3)]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    assert digest(files[:1]) == (hashlib.sha256(contents[0]).hexdigest(), 1_500_000)
    each = b"".join(hashlib.sha256(content).digest() for content in contents)
    assert digest(files) == (hashlib.sha256(each).hexdigest(), 4_500_003)
