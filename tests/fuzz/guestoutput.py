"""What a guest writes: on its serial ports, by ssh, and as its list of packages."""

import socket
import threading
from pathlib import Path

from engine import Target, texts

from oz import manifest
from oz.errors import OzError
from oz.guests.packages import MANAGERS
from oz.host import ssh
from oz.host.hypervisor.serial import MARKER_CHARACTERS_MAX, MARKER_LINES_MAX, Console, Marker
from oz.host.ssh.channels import CAPTURE_BYTES, _Capture, said
from oz.marks import read_marks
from oz.model import Manifest
from oz.progress import printable
from oz.protocols import Ran

ESCAPES = (
    b"\x1b[2J", b"\x1b]0;x\x07", b"\x1bP", b"\x1b\\", b"\x1b[", b"\x9b1m", b"\xc2\x9b", b"\r", b"\n", b"\t", b"\0",
    b"\x7f",
    b"\x1b", "\u202e".encode(), "\U000e0041".encode(), b"\xff", b"\xe2\x80",
)  # fmt: skip
NONCE = "0123456789abcdef" * 2
MARKS = (b"oz-done ", NONCE.encode()[:-1], b"oz-hostkey ssh-rsa ", b"A" * 64)


def pieces(data: bytes) -> list[bytes]:
    """The first byte says how large they are, as a port is read in pieces."""
    size = (data[0] if data else 0) * 16 + 1
    size = max(size, len(data) // 200)
    return [data[at : at + size] for at in range(0, len(data), size)]


def see_console(data: bytes, folder: Path) -> str:
    console = Console(folder / "console.log", bytes_max=100_000)
    for piece in pieces(data):
        console.feed(piece)
    console.feed(b"", is_last=True)
    console.close()
    log = folder / "console.log"
    text = log.read_text()
    log.unlink()
    assert len(text.encode()) < 100_200
    return text + console.tail(500)


def see_marker(data: bytes, folder: Path) -> str:
    """No input holds the nonce: whatever says it is done is forged."""
    marker = Marker()
    lines = [line for piece in (*pieces(data), b"") for line in marker.feed(piece, is_last=not piece)]
    assert len(lines) <= MARKER_LINES_MAX and all(len(line) <= MARKER_CHARACTERS_MAX for line in lines)
    marks = read_marks(lines)
    assert NONCE not in marks.nonces or NONCE.encode() in data
    assert len(marks.host_keys) <= 8 and all(len(key) < 4200 for key in marks.host_keys)
    return "\n".join((*lines, *marks.nonces, *marks.host_keys))


def see_output(data: bytes, folder: Path) -> str:
    """A command's output, and as much of it as would fill the memory."""
    capture = _Capture()
    times = 3 * CAPTURE_BYTES // len(data) if data[:1] == b"\xff" and len(data) > 5000 else 1
    for _ in range(times):
        capture.add(data)
    kept = capture.value()
    assert len(kept) <= 2 * CAPTURE_BYTES + 100
    return said(Ran(status=1, stdout=b"", stderr=kept))


def see_greeting(data: bytes, folder: Path) -> str:
    """Whatever answers at the guest's port instead of sshd."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(data)
            except OSError:
                return

    server = threading.Thread(target=answer, daemon=True)
    server.start()
    try:
        ssh.connect("127.0.0.1", listener.getsockname()[1], private_key=None, password="x", timeout_s=1).close()
    except OzError as error:
        # as the programs print it, line by line
        assert "\x1b" not in str(error) and len(str(error)) < 5000
        return "\n".join(map(printable, str(error).split("\n")))
    finally:
        server.join(2)
        listener.close()
    return ""


def see_packages(data: bytes, folder: Path) -> str:
    shown = []
    for manager in {manager.parse: manager for manager in MANAGERS.values()}.values():
        try:
            listed = Manifest(packages=manager.parse(data.decode(errors="replace")), description=None)
        except OzError:
            continue
        shown += [manifest.to_icicle(listed), manifest.to_json(listed)]
    return "".join(shown)


BOOT = b"\x1b[2J\x1b[1;1HISOLINUX\r\nLoading...\r\n\x1b[0;37;44mInstalling\x1b[m \xe2\x94\x80\r\n"
HOST_KEY = b"oz-hostkey ssh-rsa " + b"A" * 64 + b" root@a\n"
DPKG = b"bash\t5.2-2+b1\tamd64\tinstall ok installed\nlibc6\t1:2.36-9\tamd64\tdeinstall ok config-files\n"
RPM = b"bash\t(none)\t5.2\t1.fc40\tx86_64\ngpg-pubkey\t(none)\tab\tcd\t(none)\n"
TARGETS = (
    Target(name="console", run=see_console, seeds=texts(BOOT, b""), words=ESCAPES),
    Target(name="marker", run=see_marker, seeds=texts(HOST_KEY + b"oz-done 00ff\n"), words=(*ESCAPES, *MARKS)),
    Target(name="output", run=see_output, seeds=texts(BOOT, b"\xff" + b"E: no\n" * 1000), words=ESCAPES),
    Target(
        name="greeting", run=see_greeting, seeds=texts(b"SSH-2.0-OpenSSH_9.2\r\n", b"220 ftp\r\n"),
        words=(*ESCAPES, b"SSH-", b"SSH-1.99-", b"\0\0\1\x0c\x0a\x14"),
    ),
    Target(name="packages", run=see_packages, seeds=texts(DPKG, RPM), words=(*ESCAPES, b"(none)", b" installed")),
)  # fmt: skip
