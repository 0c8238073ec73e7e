"""Inputs that somebody made to harm, by the thousand: `make fuzz SECONDS=60` tries each reader for so long.

Real inputs are damaged at random: bits, lengths, pieces cut out, doubled, taken from elsewhere. A reader may refuse one
with an OzError. Any other exception, more than 5 s, or more than 512 MiB of memory, is a failure: the input is kept in
build/fuzz and its path printed. `--seed` repeats a run; what is found becomes a test of its own.
"""

import argparse
import contextlib
import gzip
import io
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from oz import config, domain, tdl  # noqa: E402
from oz.errors import OzError  # noqa: E402
from oz.guests import identify, identity_files, packages  # noqa: E402
from oz.host import access, initrd, journal  # noqa: E402
from oz.host.hypervisor.serial import Cleaner, Marker  # noqa: E402
from oz.host.iso import image as iso  # noqa: E402
from oz.host.iso.edit import remaster  # noqa: E402
from oz.host.iso.fat import edit_fat  # noqa: E402
from oz.marks import read_marks  # noqa: E402
from oz.model import MediumEdit  # noqa: E402
from oz.progress import printable  # noqa: E402

LIMIT_S = 5
MEMORY_BYTES_MAX = 512 * 1024**2
WORDS = (b"\0", b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"<", b"]]>", b"&x;", b"../", b"\x1b[2J", b"\n", b"9" * 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[bytes, Path], object]


class TooSlow(Exception):
    """The reader takes more than it may."""


# -------------------------------------------------------------------- what is read


def _file(data: bytes, directory: Path) -> Path:
    path = directory / "input"
    path.write_bytes(data)
    return path


def _read_medium(data: bytes, directory: Path) -> None:
    medium = iso.inspect(_file(data, directory), read=("/.disk/info", "/boot.cfg"), glance=identity_files())
    identify(medium)
    remaster(medium, [MediumEdit(path="/boot.cfg", content=b"new"), MediumEdit(path="/oz/new", content=b"new")])


def _media(directory: Path) -> list[bytes]:
    tree = directory / "tree"
    (tree / ".disk").mkdir(parents=True)
    (tree / ".disk/info").write_text('Debian GNU/Linux 13.0.0 "Trixie" - Official amd64 NETINST\n')
    (tree / "boot.cfg").write_text("default install\n")
    (tree / "boot.bin").write_bytes(b"\0" * 2048)
    found = []
    for words in (["-r", "-J", "-b", "boot.bin", "-no-emul-boot"], ["-udf", "-iso-level", "3"], []):
        out = directory / "seed.iso"
        made = ["genisoimage", "-quiet", "-V", "Debian 13.0.0 amd64 n", *words, "-o", str(out), str(tree)]
        subprocess.run(made, check=True, capture_output=True)
        found.append(out.read_bytes())
    return found


def _fat(directory: Path) -> list[bytes]:
    path = directory / "fat"
    with path.open("wb") as file:
        file.truncate(1440 * 1024)
    subprocess.run(["mformat", "-i", str(path), "-f", "1440", "::"], check=True, capture_output=True)
    subprocess.run(["mcopy", "-i", str(path), __file__, "::FUZZ.PY"], check=True, capture_output=True)
    return [path.read_bytes()]


def _initrd(data: bytes, directory: Path) -> None:
    initrd.add_files(_file(gzip.compress(data, 1), directory), {"/ks.cfg": b"x"}, directory / "out", format="ext2")


def _ext2(directory: Path) -> list[bytes]:
    path = directory / "ext2"
    subprocess.run(["mke2fs", "-q", "-t", "ext2", "-F", str(path), "512"], check=True, capture_output=True)
    return [path.read_bytes()]


def _templates(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "examples").glob("*.tdl"))]


def _read_config(data: bytes, directory: Path) -> None:
    config.load(_file(data, directory), is_root=False, home=directory)


def _read_domain(data: bytes, directory: Path) -> None:
    domain.machine_from_xml(data, "input.xml")


def _domains(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "tests/golden").rglob("domain.xml"))] or [
        b"<domain type='qemu'><name>x</name><memory unit='KiB'>1024</memory><os><type arch='x86_64' machine='pc'>hvm"
        b"</type></os><devices><disk type='file' device='disk'><source file='/x'/><target dev='vda' bus='virtio'/>"
        b"</disk><interface type='user'><model type='virtio'/></interface></devices></domain>"
    ]


def _hear(data: bytes, directory: Path) -> None:
    """The console and the marker port, in pieces, as a guest may send it."""
    cleaner, marker, said, lines = Cleaner(), Marker(), [], list[str]()
    for at in range(0, len(data), 777):
        said.append(cleaner.feed(data[at : at + 777]))
        lines += marker.feed(data[at : at + 777])
    said.append(cleaner.feed(b"", is_last=True))
    read_marks(lines)
    for text in ("".join(said), *lines):
        assert not any(char != "\n" and char != "\t" and ord(char) < 32 for char in text), "a control passes"
    assert "\x1b" not in printable("".join(said))


def _list_packages(data: bytes, directory: Path) -> None:
    text = data.decode("utf-8", "replace")
    for manager in packages.MANAGERS.values():
        with contextlib.suppress(OzError):
            manager.parse(text)


def _read_journal(data: bytes, directory: Path) -> None:
    """No path of it that is outside of the directory is touched: nothing else is there that it could name."""
    builds = directory / "builds"
    builds.mkdir(exist_ok=True)
    (builds / "x.1.json").write_bytes(data)
    journal.list_remains(builds)
    # what it would finish is read alone: a journal is the user's own file, and is believed


def _accesses(directory: Path) -> list[bytes]:
    access.save(access.placeholder_access(("sha512",)), directory)
    return [(directory / "access.json").read_bytes()]


def _read_access(data: bytes, directory: Path) -> None:
    (directory / "access.json").write_bytes(data)
    access.load(directory)


TARGETS = {
    "tdl": Target(seeds=_templates, read=lambda data, directory: tdl.load(_file(data, directory))),
    "oz.cfg": Target(seeds=lambda directory: [(ROOT / "oz.cfg").read_bytes()], read=_read_config),
    "iso": Target(seeds=_media, read=_read_medium),
    "fat": Target(seeds=_fat, read=lambda data, directory: edit_fat(data, {"KS.CFG": b"text"})),
    "ext2": Target(seeds=_ext2, read=_initrd),
    "domain": Target(seeds=_domains, read=_read_domain),
    "serial": Target(
        seeds=lambda directory: [b"oz-hostkey ssh-rsa AAAA\r\noz-done 1234\n\x1b[1;31mred\x1b[0m\x1b]0;title\x07" * 20],
        read=_hear,
    ),
    "packages": Target(
        seeds=lambda directory: [b"vim\t2:9.0-1\tamd64\tinstall ok installed\n", b"bash|(none)|5.2|1|x86_64\n"],
        read=_list_packages,
    ),
    "journal": Target(
        seeds=lambda directory: [b'{"name": "a", "root": "/tmp/x", "pid": 1}\n{"make": ["/tmp/y"]}\n'],
        read=_read_journal,
    ),
    "access": Target(seeds=_accesses, read=_read_access),
}


# -------------------------------------------------------------------- how it is damaged, and tried


def damage(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
        if not data:
            break
        at = chance.randrange(len(data))
        length = min(len(data) - at, chance.choice((1, 2, 4, 8, 100, 2048)))
        match chance.randrange(7):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at : at + length] = chance.randbytes(length)
            case 2:
                data[at : at + length] = b""
            case 3:
                data[at:at] = data[at : at + length] * chance.choice((1, 2, 50))
            case 4:
                source = chance.randrange(len(data))
                data[at : at + length] = data[source : source + length]
            case 5:
                word = chance.choice(WORDS)
                data[at : at + len(word)] = word
            case _:
                del data[at + chance.randrange(4096) :]
    return bytes(data)


def _too_slow(number: int, frame: FrameType | None) -> NoReturn:
    raise TooSlow(f"more than {LIMIT_S} s")


def try_target(name: str, seconds: float, seed: int) -> int:
    """The number of failures; run in a process of its own."""
    target, chance, kept = TARGETS[name], random.Random(f"{seed} {name}"), ROOT / "build/fuzz"
    signal.signal(signal.SIGALRM, _too_slow)
    tried = failures = refused = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stderr(io.StringIO()):
        seeds = target.seeds(Path(place))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            data = damage(chance.choice(seeds), chance)
            tried += 1
            start = time.monotonic()
            signal.alarm(LIMIT_S)
            try:
                target.read(data, Path(place))
            except OzError:
                refused += 1
            except Exception:
                failures += 1
                kept.mkdir(parents=True, exist_ok=True)
                path = kept / f"{name}-{seed}-{tried}"
                path.write_bytes(data)
                if failures <= 3:
                    print(f"{path}\n{traceback.format_exc()}", flush=True)
            finally:
                signal.alarm(0)
            slowest = max(slowest, time.monotonic() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    failures += memory > MEMORY_BYTES_MAX
    print(
        f"{name:<10}{tried:>8} tried, {refused} refused, slowest {slowest:.2f} s, at most {memory // 1024**2} MiB, "
        f"{failures} failures",
        flush=True,
    )
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    failures = 0
    for name in args.targets or TARGETS:
        child = os.fork()
        if child == 0:
            os._exit(min(try_target(name, args.seconds, args.seed), 100))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        failures += abs(status)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
