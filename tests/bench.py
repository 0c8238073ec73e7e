"""Measures what must stay fast: python tests/bench.py [--json FILE] [--runs N] [ROW ...]

Each row is a function in ROWS that returns figures: one more is added by writing it and naming it there.
Figures are medians of several runs; those of Oz are marked, and the others of a group are told relative to it.
"""

import argparse
import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pycdlib
from guest import tiny
from lxml import etree

from oz import tdl
from oz.host import disk, iso
from oz.host.hypervisor import connect
from oz.model import Drive, Hardware, Machine, MediumEdit, Network, Rng
from oz.units import MIB

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line: the median of `seconds`, and bytes of file system blocks written, where that says something."""

    group: str
    what: str
    seconds: tuple[float, ...]
    written_bytes: int | None = None
    aim_s: float | None = None
    aim_bytes: int | None = None
    is_oz: bool = False

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def is_met(self) -> bool | None:
        if self.aim_s is None:
            return None
        return self.median_s <= self.aim_s and (self.written_bytes or 0) <= (self.aim_bytes or sys.maxsize)


def timed(runs: int, action: Callable[[], object]) -> tuple[float, ...]:
    """Seconds of each run; where there are several, after one that is not counted."""
    seconds = []
    for _ in range(runs + (runs > 1)):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return tuple(seconds[-runs:])


def run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")


def allocated_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512


# ------------------------------------------------------------------ remaster


def remaster_large(directory: Path, runs: int) -> list[Figure]:
    """A medium of 4 GiB, nearly all of it holes, so that no disk's speed is measured."""
    root = directory / "large"
    (root / "isolinux").mkdir(parents=True)
    (root / "isolinux/isolinux.cfg").write_text("timeout 0\n")
    for name, size in (("first.img", 2 << 30), ("second.img", (2 << 30) - (1 << 20))):
        with (root / name).open("wb") as file:
            file.truncate(size)
    original = directory / "large.iso"
    run("genisoimage", "-quiet", "-R", "-J", "-V", "LARGE", "-o", original, root)
    shutil.rmtree(root)
    run("fallocate", "--dig-holes", original)
    return _compare("remaster of a 4 GiB ISO", original, directory, runs, aim_s=0.2)


def remaster_many(directory: Path, runs: int) -> list[Figure]:
    """A medium of 10,000 files in 100 directories."""
    root = directory / "many"
    (root / "isolinux").mkdir(parents=True)
    (root / "isolinux/isolinux.cfg").write_text("timeout 0\n")
    for above in range(100):
        (root / f"pool-{above:02}").mkdir()
        for number in range(100):
            (root / f"pool-{above:02}/a_package_{number:02}_all.deb").write_text(f"{above} {number}")
    original = directory / "many.iso"
    run("genisoimage", "-quiet", "-R", "-J", "-V", "MANY", "-o", original, root)
    shutil.rmtree(root)
    return _compare("remaster of an ISO with 10,000 files", original, directory, runs, aim_s=0.5)


def _compare(group: str, original: Path, directory: Path, runs: int, *, aim_s: float) -> list[Figure]:
    """One file replaced, one added, by each of several ways. The slow ones are run once or thrice."""
    new, answer = b"timeout 1\n" * 20, b"answers\n" * 500
    edits = [
        MediumEdit(path="/isolinux/isolinux.cfg", content=new),
        MediumEdit(path="/preseed.cfg", content=answer),
    ]
    out = directory / "out"

    def by_oz(form: str) -> Callable[[], None]:
        def act() -> None:
            edited = iso.remaster(iso.inspect(original), edits)
            disk.apply_patches(original, edited, out, format="qcow2" if form == "qcow2" else "raw")

        return act

    def by_xorriso() -> None:
        out.unlink(missing_ok=True)
        (directory / "new").write_bytes(new)
        (directory / "answer").write_bytes(answer)
        maps = ["-map", directory / "new", "/isolinux/isolinux.cfg", "-map", directory / "answer", "/preseed.cfg"]
        run("xorriso", "-indev", original, "-outdev", out, "-overwrite", "on", *maps)

    def by_pycdlib() -> None:
        image = pycdlib.PyCdlib()
        image.open(str(original))
        image.rm_file("/ISOLINUX/ISOLINUX.CFG;1")
        where = dict(rr_name="isolinux.cfg", joliet_path="/isolinux/isolinux.cfg")
        image.add_fp(io.BytesIO(new), len(new), "/ISOLINUX/ISOLINUX.CFG;1", **where)
        where = dict(rr_name="preseed.cfg", joliet_path="/preseed.cfg")
        image.add_fp(io.BytesIO(answer), len(answer), "/PRESEED.CFG;1", **where)
        image.write(str(out))
        image.close()

    def by_cp() -> None:
        out.unlink(missing_ok=True)
        run("cp", original, out)

    figures = []
    ways: list[tuple[str, Callable[[], None], int]] = [
        ("Oz, overlay", by_oz("qcow2"), runs),
        ("Oz, plain ISO", by_oz("raw"), runs),
        ("xorriso -indev -outdev", by_xorriso, 1 if original.stat().st_size > 1 << 30 else 3),
        ("pycdlib's writer", by_pycdlib, 1 if original.stat().st_size > 1 << 30 else 3),
        ("cp, no edit", by_cp, 3),
    ]
    for what, act, count in ways:
        is_overlay = what == "Oz, overlay"
        figures.append(
            Figure(
                group=group,
                what=what,
                seconds=timed(count, act),
                written_bytes=allocated_bytes(out),
                aim_s=aim_s if is_overlay else None,
                aim_bytes=1 << 20 if is_overlay else None,
                is_oz=is_overlay,
            )
        )
        out.unlink()
    return figures


# ------------------------------------------------------------------ all rows

Row = Callable[[Path, int], list[Figure]]
"""Gets an empty directory and how often to measure."""


def tiny_machine(directory: Path, text: bytes) -> Machine:
    """A guest of 512 bytes that sends `text` on its second serial port and powers itself off."""
    disk_path = tiny.write_disk(directory / "disk", tiny.sender(text, tiny.POWER_OFF))
    hardware = Hardware(
        arch="x86_64",
        machine_type="q35",
        firmware="bios",
        memory_bytes=64 * MIB,
        disk_bus="virtio",
        nic_model="virtio",
    )
    return Machine(
        name="bench",
        uuid=str(uuid.uuid4()),
        mac="52:54:00:00:00:01",
        domain_type="qemu",
        cpus=1,
        hardware=hardware,
        network=Network(),
        rng=Rng(),
        disk=Drive(path=disk_path),
        console_socket=directory / "console",
        marker_socket=directory / "marker",
        vnc_socket=directory / "vnc",
    )


def guest_life(directory: Path, runs: int) -> list[Figure]:
    """A guest's start, and how long after its last word its power-off is known, against QEMU by itself."""
    starts, offs = [], []
    with connect("auto", root=directory / "r", cache_dir=directory / "cache") as hypervisor:
        for number in range(runs + 1):
            machine = tiny_machine(directory, b"said\n")
            start = time.perf_counter()
            domain = hypervisor.start(machine)
            started = time.perf_counter()
            said = ended = 0.0
            while not ended:
                event = domain.next_event(60)
                if event and event.kind == "marker":
                    said = time.perf_counter()
                elif event:
                    ended = time.perf_counter()
            domain.destroy()
            # the first one fills libvirt's cache of what QEMU can do
            if number:
                starts.append(started - start)
                offs.append(ended - said)
    plain_starts, plain_offs = zip(*(plain_life(directory) for _ in range(runs)), strict=True)
    return [
        Figure(group="start of a domain", what="oz", seconds=tuple(starts), is_oz=True),
        Figure(group="start of a domain", what="qemu alone, to its monitor", seconds=plain_starts),
        Figure(group="power-off seen after the last word", what="oz", seconds=tuple(offs), aim_s=0.2, is_oz=True),
        Figure(group="power-off seen after the last word", what="qemu alone, to its end", seconds=plain_offs),
    ]


def plain_life(directory: Path) -> tuple[float, float]:
    """Seconds from starting QEMU until its monitor answers, and from the guest's last word to the end of QEMU."""
    disk_path = tiny.write_disk(directory / "plain", tiny.sender(b"said\n", tiny.POWER_OFF))
    command = ["qemu-system-x86_64", "-S", "-machine", "q35,accel=tcg", "-m", "64", "-display", "none"]
    command += ["-drive", f"file={disk_path},format=raw,if=virtio", "-serial", "null", "-serial", "stdio"]
    command += ["-chardev", f"socket,id=m,path={directory}/qmp,server=on,wait=off", "-mon", "chardev=m,mode=control"]
    start = time.perf_counter()
    with (
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as guest,
        socket.socket(socket.AF_UNIX) as monitor,
    ):
        while monitor.connect_ex(f"{directory}/qmp"):
            pass
        monitor.recv(4096)
        started = time.perf_counter()
        monitor.sendall(b'{"execute": "qmp_capabilities"}{"execute": "cont"}')
        assert guest.stdout
        while b"said" not in guest.stdout.readline():
            pass
        said = time.perf_counter()
        guest.wait()
    return started - start, time.perf_counter() - said


def load_template(directory: Path, runs: int) -> list[Figure]:
    template = directory / "debian.tdl"
    shutil.copyfile(ROOT / "examples/debian-13.tdl", template)
    grammar = etree.RelaxNG(etree.parse(ROOT / "oz/tdl.rng"))
    group = "load of a template"
    return [
        Figure(group=group, what="oz", seconds=timed(runs, lambda: tdl.load(template)), aim_s=0.05, is_oz=True),
        Figure(
            group=group,
            what="lxml and RELAX NG alone",
            seconds=timed(runs, lambda: grammar.validate(etree.parse(template))),
        ),
    ]


def show_help(directory: Path, runs: int) -> list[Figure]:
    python = sys.executable
    empty = timed(runs, lambda: run(python, "-c", "pass"))
    program = timed(runs, lambda: run(python, ROOT / "bin/oz-install", "--help"))
    aim_s = 8 * statistics.median(empty)
    return [
        Figure(group="--help", what="oz", seconds=program, aim_s=aim_s, is_oz=True),
        Figure(group="--help", what="python -c pass", seconds=empty),
    ]


ROWS: dict[str, Row] = {
    "help": show_help,
    "load": load_template,
    "life": guest_life,
    "remaster-large": remaster_large,
    "remaster-many": remaster_many,
}


def table(figures: Sequence[Figure]) -> str:
    lines = []
    references = {figure.group: figure.median_s for figure in figures if figure.is_oz}
    for number, figure in enumerate(figures):
        if number == 0 or figures[number - 1].group != figure.group:
            lines += ["", figure.group, f"  {'':28}{'median':>10}{'least':>10}{'most':>10}{'ratio':>8}{'written':>14}"]
        ratio = figure.median_s / references[figure.group] if figure.group in references else 1.0
        written = "" if figure.written_bytes is None else f"{figure.written_bytes / 1024:.0f} KiB"
        verdict = {None: "", True: "  aim met", False: "  AIM MISSED"}[figure.is_met]
        times = f"{figure.median_s:9.4f}s{min(figure.seconds):9.4f}s{max(figure.seconds):9.4f}s"
        lines.append(f"  {figure.what:28}{times}{ratio:8.1f}{written:>14}{verdict}")
    return "\n".join(lines[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of what is quick (5)")
    args = parser.parse_args()
    if unknown := set(args.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name in args.rows or ROWS:
        with tempfile.TemporaryDirectory(prefix="oz-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")) as directory:
            figures += ROWS[name](Path(directory), args.runs)
    sys.stdout.write(table(figures) + "\n")
    if args.json:
        facts = [asdict(figure) | {"median_s": figure.median_s, "is_met": figure.is_met} for figure in figures]
        args.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
