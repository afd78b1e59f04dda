"""A daemon that speaks adb's protocol to the real `adb`, over TCP: `adbd.py PORT HOME`.

Written from the protocol's description (AOSP, packages/modules/adb/protocol.txt and
shell_protocol.h). It offers what a phone offers a shell: the service `shell,v2,raw:COMMAND`.
"""

import contextlib
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading

HEADER = struct.Struct("<6I")
PACKET = struct.Struct("<BI")
VERSION, MOST_BYTES = 0x01000000, 1 << 18
BANNER = b"device::ro.product.name=pretend;ro.product.model=Pretend;features=shell_v2,cmd"
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)


def exactly(sock, count):
    found = b""
    while len(found) < count:
        chunk = sock.recv(count - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return found


class Transport:
    """One `adb` server's connection: streams of packets over a socket."""

    def __init__(self, sock, home):
        self.sock, self.home = sock, home
        self.lock, self.streams = threading.Lock(), {}

    def send(self, command, first, second, data=b""):
        number = struct.unpack("<I", command)[0]
        header = HEADER.pack(
            number, first, second, len(data), sum(data) & 0xFFFFFFFF, number ^ 0xFFFFFFFF
        )
        with self.lock:
            self.sock.sendall(header + data)

    def serve(self):
        try:
            while True:
                number, first, second, size, _, _ = HEADER.unpack(exactly(self.sock, HEADER.size))
                data = exactly(self.sock, size)
                self.take(struct.pack("<I", number), first, second, data)
        except (EOFError, OSError):
            for stream in list(self.streams.values()):
                stream.end()

    def take(self, command, first, second, data):
        if command == b"CNXN":
            self.send(b"CNXN", VERSION, MOST_BYTES, BANNER)
        elif command == b"OPEN":
            mine = max(self.streams, default=0) + 1
            self.streams[mine] = Stream(self, mine, first, data.rstrip(b"\0").decode())
        elif second in self.streams:
            self.streams[second].take(command, data)
            if command == b"WRTE":
                self.send(b"OKAY", second, first)


class Stream:
    """One command: its stdin arrives in packets, its outputs and exit code leave in packets."""

    def __init__(self, transport, mine, theirs, service):
        self.transport, self.mine, self.theirs = transport, mine, theirs
        self.ready, self.buffer, self.lock = queue.Queue(), b"", threading.Lock()
        kind, _, command = service.partition(":")
        if kind.split(",")[:2] != ["shell", "v2"]:
            transport.send(b"CLSE", 0, theirs)
            return
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            ["sh", "-c", command], stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": transport.home}, cwd="/",
        )  # fmt: skip
        transport.send(b"OKAY", mine, theirs)
        threading.Thread(target=self.finish, daemon=True).start()

    def take(self, command, data):
        if command == b"OKAY":
            self.ready.put(None)
        elif command == b"CLSE":
            self.end()
        elif command == b"WRTE":
            self.buffer += data
            while len(self.buffer) >= PACKET.size:
                kind, size = PACKET.unpack(self.buffer[: PACKET.size])
                if len(self.buffer) < PACKET.size + size:
                    return
                content = self.buffer[PACKET.size : PACKET.size + size]
                self.buffer = self.buffer[PACKET.size + size :]
                with contextlib.suppress(OSError, ValueError):
                    if kind == STDIN:
                        self.process.stdin.write(content)
                        self.process.stdin.flush()
                    elif kind == CLOSE_STDIN:
                        self.process.stdin.close()

    def end(self):
        """The other side is gone: the command's stdin ends, as adbd's does."""
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.close()
        self.ready.put(None)

    def finish(self):
        with contextlib.suppress(OSError):
            pumps = [
                threading.Thread(target=self.pump, args=(kind, stream), daemon=True)
                for kind, stream in ((STDOUT, self.process.stdout), (STDERR, self.process.stderr))
            ]
            for pump in pumps:
                pump.start()
            for pump in pumps:
                pump.join()
            code = self.process.wait()
            self.write(EXIT, bytes([code if code >= 0 else 128 - code]))
            self.transport.send(b"CLSE", self.mine, self.theirs)
        self.transport.streams.pop(self.mine, None)

    def pump(self, kind, stream):
        with contextlib.suppress(OSError):
            while chunk := os.read(stream.fileno(), 1 << 16):
                self.write(kind, chunk)

    def write(self, kind, content):
        with self.lock:  # one packet at a time, each acknowledged
            self.transport.send(
                b"WRTE", self.mine, self.theirs, PACKET.pack(kind, len(content)) + content
            )
            self.ready.get(timeout=60)


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        sock, _ = listening.accept()
        transport = Transport(sock, sys.argv[2])
        threading.Thread(target=transport.serve, daemon=True).start()


if __name__ == "__main__":
    main()
