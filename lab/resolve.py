"""A name server that stands for the world's: it knows one name, and who serves the root. Started by lab/names.py."""

import socketserver
import sys
from functools import partial

NAME = "outside.example"
_A, _NS = 1, 2
_NO_SUCH_NAME = 3
_ROOT_SERVER = b"\x01a\x0croot-servers\x03net\x00"


def answer(asked: bytes, address: str) -> bytes:
    """The answer to a question, RFC 1035, 4.1: one record, none, or that there is no such name.

    Args:
        asked: a message with one question.
        address: NAME's.
    """
    name, rest = _name(asked[12:])
    question = asked[12 : len(asked) - len(rest) + 4]
    known = {(b"", _NS): _ROOT_SERVER, (NAME.encode(), _A): bytes(map(int, address.split(".")))}
    data = known.get((name.lower(), int.from_bytes(rest[:2], "big")), b"")
    code = 0 if name.lower() in {n for n, _ in known} else _NO_SUCH_NAME
    # The question's name, its type and class, seconds it may be kept, and what it is.
    record = b"\xc0\x0c" + question[-4:] + (60).to_bytes(4, "big") + len(data).to_bytes(2, "big") + data
    flags, counts = bytes([0x81, 0x80 | code]), bytes([0, 1, 0, bool(data), 0, 0, 0, 0])
    return asked[:2] + flags + counts + question + (record if data else b"")


def _name(message: bytes) -> tuple[bytes, bytes]:
    """A name with dots, and what comes behind it."""
    labels = []
    while message[0]:
        length = message[0]
        labels.append(message[1 : length + 1])
        message = message[length + 1 :]
    return b".".join(labels), message[1:]


class _Datagram(socketserver.BaseRequestHandler):
    def __init__(self, address: str, *rest: object) -> None:
        self.address = address
        super().__init__(*rest)  # type: ignore[arg-type]

    def handle(self) -> None:
        asked, sender = self.request
        sender.sendto(answer(asked, self.address), self.client_address)


class _Stream(_Datagram):
    def handle(self) -> None:
        while len(size := self.request.recv(2)) == 2:
            said = answer(self.request.recv(int.from_bytes(size, "big")), self.address)
            self.request.sendall(len(said).to_bytes(2, "big") + said)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    import threading

    address, port = sys.argv[1], int(sys.argv[2])
    over_udp = socketserver.ThreadingUDPServer((address, port), partial(_Datagram, address))
    threading.Thread(target=over_udp.serve_forever, daemon=True).start()
    _Server((address, port), partial(_Stream, address)).serve_forever()
