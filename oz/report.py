"""A build as one page of HTML that needs nothing else, and as a JSON file that the next build is compared with."""

import base64
import itertools
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oz.model import InstalledPackage
from oz.progress import duration, printable
from oz.recording import Frame, Phase, Recording, Sample
from oz.redaction import redact
from oz.render import render
from oz.units import format_size

PAGE, SUMMARY = "report.html", "report.json"
_LOG_BYTES_MAX = 512 * 1024
"""Of each log: its beginning and its end; all of it lies beside the page."""
_PICTURES_BYTES_MAX = 1536 * 1024
_PLOT_WIDTH, _PLOT_HEIGHT = 720, 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the page says. Texts are as they were found: the page takes out what is secret, and escapes."""

    name: str
    title: str
    """Of the guest: "Debian 13"."""
    outcome: str
    """"installed", or what failed, in the error's words."""
    has_failed: bool
    finished: str
    """ISO 8601."""
    facts: Mapping[str, str]
    """What was built from what, on what: label to value."""
    commands: Mapping[str, str]
    """What the reader may want to do next: label to command line."""
    logs: Mapping[str, str]
    """Name to text."""
    plan: str
    answer_name: str
    answer: str
    packages: tuple[InstalledPackage, ...]
    image_bytes: int
    """As allocated; 0 where there is no image."""
    previous: Mapping[str, Any] | None
    """The summary of the build before this one, as `summary` makes it."""
    secrets: tuple[str, ...]
    """Texts that must not be seen."""


def summary(report: Report, recording: Recording) -> dict[str, Any]:
    """What the next build of the name wants to know of this one."""
    return {
        "name": report.name,
        "guest": report.title,
        "outcome": "failed" if report.has_failed else "done",
        "finished": report.finished,
        "seconds": round(recording.elapsed_s, 1),
        "image_bytes": report.image_bytes,
        "phases": [asdict(phase) for phase in recording.phases],
        "packages": {f"{one.name} {one.architecture}".strip(): _version(one) for one in report.packages},
    }


def write_report(report: Report, recording: Recording, directory: Path) -> Path:
    """Write the page and the summary into a directory of the build's owner; the page's path. Raises OSError."""
    page = directory / PAGE
    for path, text in (
        (page, page_of(report, recording)),
        (directory / SUMMARY, json.dumps(summary(report, recording), indent=1) + "\n"),
    ):
        half = path.with_name(f".{path.name}.part")
        half.touch(mode=0o600)
        half.write_text(text, encoding="utf-8", errors="replace")
        half.replace(path)
    return page


def read_summary(directory: Path) -> dict[str, Any] | None:
    """The summary that the last build of the name left; None where there is none that can be read."""
    try:
        found = json.loads((directory / SUMMARY).read_text(encoding="utf-8"))
        is_ours = isinstance(found["packages"], dict) and isinstance(found["seconds"] + found["image_bytes"], float)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if is_ours else None


def page_of(report: Report, recording: Recording) -> str:
    def shown(text: str) -> str:
        for secret in report.secrets:
            text = text.replace(secret, "***")
        return "\n".join(printable(line) for line in redact(text).splitlines())

    total_s = max(recording.elapsed_s, 0.001)
    return render(
        "report/report.html",
        report=report,
        outcome=shown(report.outcome),
        seconds=total_s,
        duration=duration(total_s),
        facts={label: shown(value) for label, value in report.facts.items()},
        commands={label: shown(value) for label, value in report.commands.items()},
        phases=[_bar(phase, total_s) for phase in recording.phases],
        plots=plots(recording.samples, total_s),
        frames=_frames(recording.frames),
        logs={name: shown(_shorten(text)).splitlines() for name, text in report.logs.items()},
        plan=shown(report.plan),
        answer=shown(report.answer),
        packages=[(one.name, _version(one), one.architecture) for one in report.packages],
        image_size=format_size(report.image_bytes) if report.image_bytes else "",
        comparison=compare(report, recording),
    )


# -------------------------------------------------------------------- its parts


def compare(report: Report, recording: Recording) -> list[str]:
    """What differs from the build before, in lines; none without one."""
    before = report.previous
    if before is None:
        return []
    lines = [f"time: {duration(recording.elapsed_s)}, before {duration(float(before['seconds']))}"]
    if report.image_bytes and before["image_bytes"]:
        lines.append(f"size: {format_size(report.image_bytes)}, before {format_size(int(before['image_bytes']))}")
    now = summary(report, recording)["packages"]
    then = before["packages"]
    if now and then:
        lines += [f"added: {name} {now[name]}" for name in sorted(now.keys() - then.keys())]
        lines += [f"removed: {name} {then[name]}" for name in sorted(then.keys() - now.keys())]
        changed = (name for name in sorted(now.keys() & then.keys()) if now[name] != then[name])
        lines += [f"changed: {name} {then[name]} to {now[name]}" for name in changed]
        if not any(line.startswith(("added", "removed", "changed")) for line in lines):
            lines.append(f"packages: the same {len(now)}")
    return lines


def _bar(phase: Phase, total_s: float) -> dict[str, Any]:
    seconds = total_s - phase.start_s if phase.seconds is None else phase.seconds
    return {
        "text": printable(phase.text),
        "depth": phase.depth,
        "seconds": seconds,
        "share": 100 * seconds / total_s,
        "left": 100 * phase.start_s / total_s,
        "has_failed": phase.has_failed,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    title: str
    points: str
    """Of an SVG polyline."""
    highest: str
    width: int = _PLOT_WIDTH
    height: int = _PLOT_HEIGHT


def plots(samples: Sequence[Sample], total_s: float) -> list[Plot]:
    """Rates between one look at the guest and the next, over the time of the whole build."""
    pairs = [(one, two) for one, two in itertools.pairwise(samples) if one.boot == two.boot]
    if not pairs:
        return []

    def plot(title: str, rates: list[float], highest: str) -> Plot:
        top = max(*rates, 1e-9) if len(rates) > 1 else max(rates[0], 1e-9)
        points = (
            f"{_PLOT_WIDTH * two.at_s / total_s:.1f},{_PLOT_HEIGHT * (1 - rate / top):.1f}"
            for (_, two), rate in zip(pairs, rates, strict=True)
        )
        return Plot(title=title, points=" ".join(points), highest=highest.format(top))

    def rates(name: str) -> list[float]:
        return [
            max(0.0, float(getattr(two, name) - getattr(one, name))) / max(two.at_s - one.at_s, 1e-3)
            for one, two in pairs
        ]

    return [
        plot("disk", rates("disk_requests"), "at most {:.0f} requests a second"),
        plot("network", [rate / 1024 for rate in rates("network_bytes")], "at most {:.0f} KiB a second"),
        plot("processors", [100 * rate for rate in rates("cpu_s")], "at most {:.0f} % of one"),
    ]


def _frames(frames: Sequence[Frame]) -> list[dict[str, str]]:
    """As many as the page may hold, the last ones always."""
    found: list[dict[str, str]] = []
    left = _PICTURES_BYTES_MAX
    for frame in reversed(frames):
        picture = png(frame.picture)
        left -= len(picture) * 4 // 3
        if left < 0:
            break
        data = base64.b64encode(picture).decode("ascii")
        found.append({"at": duration(frame.at_s), "source": f"data:image/png;base64,{data}"})
    return found[::-1]


def png(picture: bytes) -> bytes:
    """A PNG, made of the PPM (P6, 8 bits) that older QEMUs give; any other comes back as it is."""
    fields = picture.split(maxsplit=4)
    if fields[:1] != [b"P6"] or len(fields) < 5:
        return picture
    width, height = int(fields[1]), int(fields[2])
    pixels = picture[-3 * width * height :]
    rows = b"".join(b"\0" + pixels[at : at + 3 * width] for at in range(0, len(pixels), 3 * width))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _shorten(text: str) -> str:
    if len(text) <= _LOG_BYTES_MAX:
        return text
    half = _LOG_BYTES_MAX // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters are left out here ...\n{text[-half:]}"


def _version(package: InstalledPackage) -> str:
    version = f"{package.epoch}:{package.version}" if package.epoch else package.version
    return f"{version}-{package.release}" if package.release else version


def read_logs(directory: Path) -> dict[str, str]:
    """The texts of a directory's logs, by their names; of long ones the beginning and the end."""
    found = {}
    for path in _log_files(directory):
        with path.open("rb") as file:
            text = file.read(_LOG_BYTES_MAX)
            size_bytes = file.seek(0, 2)
            if size_bytes > _LOG_BYTES_MAX:
                file.seek(max(_LOG_BYTES_MAX, size_bytes - _LOG_BYTES_MAX))
                text += b"\n...\n" + file.read()
        if text:
            found[path.name] = text.decode("utf-8", "replace")
    return found


def _log_files(directory: Path) -> Iterable[Path]:
    return sorted(path for path in directory.glob("*.log") if path.is_file() and not path.is_symlink())
