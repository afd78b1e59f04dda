"""`python3 -m MODULE.serve SOCKET`: answers on a Unix socket, one sample for each connection.

A client connects, writes a .npy file for each input one after another, shuts its writing side down,
and reads one line of JSON: {"output": ...}, or {"error": "..."}:

    connection = socket.socket(socket.AF_UNIX)
    connection.connect("/run/.../model.sock")
    with connection.makefile("wb") as entered:
        numpy.save(entered, image)
    connection.shutdown(socket.SHUT_WR)
    result = json.load(connection.makefile("r"))

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

import argparse
import io
import json
import socketserver
import sys
from pathlib import Path

import numpy as np

from .model import Model
from .package import UNREADABLE, Failure
from .results import Mask

MOST_BYTES = 64_000_000
"""Of one request."""

PATIENCE_S = 10.0
"""How long a client may be silent."""


class Server(socketserver.UnixStreamServer):
    """Answers one connection after another: the model is one."""

    def __init__(self, path: Path, model: Model) -> None:
        """Takes the socket's place, where a server that ended may have left one."""
        path.unlink(missing_ok=True)
        self.model = model
        super().__init__(str(path), Handler)


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    timeout = PATIENCE_S
    server: Server

    def handle(self) -> None:
        """Reads the inputs, runs the model and writes one line."""
        try:
            arrays = read(self.rfile.read(MOST_BYTES + 1))
            told = _told(self.server.model, arrays)
        except UNREADABLE as error:
            told = {"error": str(error) or type(error).__name__}
        try:
            self.wfile.write(json.dumps(told).encode() + b"\n")
        except OSError:
            return  # the client is gone


def read(content: bytes) -> list[np.ndarray]:
    """The arrays of .npy files that lie one behind another. ValueError for anything else."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes in one request")
    stream, found = io.BytesIO(content), []
    while stream.tell() < len(content):
        found.append(_array(stream, len(content)))
    return found


def _array(stream: io.BytesIO, end: int) -> np.ndarray:
    """One array, whose header declares no more than there is."""
    start = stream.tell()
    version = np.lib.format.read_magic(stream)
    headers = {(1, 0): np.lib.format.read_array_header_1_0}
    if version not in headers:
        raise ValueError(f"a .npy file of version {version}; allowed: 1.0")
    shape, _, dtype = headers[version](stream)
    if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize > end - stream.tell():
        raise ValueError(f"a .npy file that declares {dtype} of shape {shape}, which it lacks")
    stream.seek(start)
    array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _told(model: Model, arrays: list[np.ndarray]) -> dict[str, object]:
    """What one sample comes to, as JSON has it."""
    answers = zip(model.fields, model.run(arrays), strict=True)
    return {field: _plain(answer) for field, answer in answers if answer is not None}


def _plain(answer: object) -> object:
    """An answer as JSON has it."""
    if isinstance(answer, list):
        return [vars(one) for one in answer]
    if isinstance(answer, Mask):
        return {"classes": answer.classes.tolist(), "labels": list(answer.labels)}
    return answer.tolist() if isinstance(answer, np.ndarray) else answer


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description="Answers on a Unix socket.")
    parser.add_argument("socket", type=Path, help="where the socket is made")
    given = parser.parse_args()
    try:
        server = Server(given.socket, Model(Path(__file__).resolve().parents[1]))
    except Failure as error:
        sys.stderr.write(f"serve: {error}\n")
        sys.exit(error.code)
    with server:
        server.serve_forever()


if __name__ == "__main__":
    main()
