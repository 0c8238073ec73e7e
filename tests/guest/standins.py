"""Stand-ins as tests use them: a place, what media are made of, templates, runs and how long they took."""

import hashlib
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from guest.place import Place
from guest.standin.media import Media
from guest.standin.system import Parts, missing_tools
from programs import command, serve

from oz import tdl as templates
from oz.guests import guest_for

NEEDS = pytest.mark.skipif(bool(missing_tools()), reason=f"without {missing_tools()}")
LIMIT_S = 1200
"""Of an installation that takes 10 to 20 s on an idle host."""
_PATIENCE_S = 2400
_EVENT, _AT_WORK = "failing: ", " at work"
CUSTOMIZE = """<files><file name="/etc/motd">built by a test</file></files>
<commands><command name="look">grep -q 'built by a test' /etc/motd; echo looked >/root/looked</command></commands>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standin:
    """A release and a way onto the machine."""

    distro: str
    version: str
    arch: str = "x86_64"
    install_type: str = "iso"
    firmware: str = "bios"
    filesystem: str = ""
    """That of /, where it is not the usual one."""

    def __str__(self) -> str:
        name = f"{self.distro}-{self.version}-{self.arch}-{self.install_type}-{self.firmware}"
        return f"{name}-{self.filesystem}" if self.filesystem else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a user sees of a run, and when."""

    status: int
    stdout: str
    stderr: str
    told: tuple[tuple[float, str], ...]
    """Lines of stderr, and how many seconds after the program's start they came."""
    events: tuple[tuple[float, str], ...]
    """The same of the console's lines by which the installer begins its work, or says that it fails now."""

    @property
    def noticed_s(self) -> float:
        """Seconds from the event to the step that ended by it."""
        failing = [at_s for at_s, line in self.events if _EVENT in line]
        assert failing, self.stderr
        event_s = failing[-1]
        ends = [at_s for at_s, line in self.told if at_s > event_s and re.search(r": (done in|failed after) ", line)]
        assert ends, self
        return ends[0] - event_s

    @property
    def booted_s(self) -> float | None:
        """Seconds of the first boot, from the domain's start to the installer's first line; None if no log has it."""
        starts = [at_s for at_s, line in self.told if re.match(r"Install(,.*)? \.\.\.", line)]
        return next((at_s - starts[0] for at_s, line in self.events if _AT_WORK in line), None)

    def seconds_of(self, step: str) -> float:
        """How long a step of oz-install took, all its boots together, by what it said itself."""
        name = rf"^{re.escape(step)}(?:, boot \d+ of \d+)?"
        found = re.findall(rf"{name}: (?:done in|failed after) ([\d.]+) s", self.stderr, re.MULTILINE)
        return sum(map(float, found))


class Ground:
    """Where stand-ins are built and installed."""

    def __init__(self, directory: Path, capabilities_cache: Path, **config: str) -> None:
        self._config = {"libvirt_memory": "512", **config}
        self.place = Place(directory, capabilities_cache, **self._config)
        self.directory = directory
        self.parts = Parts()

    @contextmanager
    def template(self, standin: Standin, name: str, *, fail: str = "", extra: str = "", os: str = "") -> Iterator[Path]:
        """A template whose medium is there, served by HTTP where the template has a URL."""
        path = self.directory / f"{name}.tdl"
        with ExitStack() as stack:
            media = self.directory / f"media-{name}"
            (media / "tree").mkdir(parents=True, exist_ok=True)
            url = f"file://{media}/medium.iso"
            if standin.install_type == "url":
                url = f"http://10.0.2.2:{stack.enter_context(serve(media / 'tree'))}/tree"
            kind = standin.install_type
            is_windows = standin.distro == "Windows"
            key = "<key>AAAAA-BBBBB-CCCCC-DDDDD-EEEEE</key>" if is_windows else ""
            # What Windows 11 asks for.
            size = "64 GiB" if is_windows else "10 GiB"
            if standin.filesystem:
                extra += f"<partitions><partition mount='/' filesystem='{standin.filesystem}'/></partitions>"
            path.write_text(
                f"<template><name>{name}</name><os><name>{standin.distro}</name><version>{standin.version}</version>"
                f"<arch>{standin.arch}</arch><install type='{kind}'><{kind}>{url}</{kind}></install>{key}"
                f"<rootpw>Stand-in1</rootpw>{os}</os><disk><size>{size}</size></disk>{extra}</template>\n"
            )
            tdl = templates.load(path)
            builder = Media(self.parts, guest_for(tdl), tdl, media, fail=fail)
            if standin.install_type == "url":
                builder.build_tree()
            else:
                builder.build_iso()
            yield path

    def install(self, standin: Standin, template: Path, *options: str, **config: str) -> Run:
        """With more settings of oz.cfg than those of the ground, as below."""
        written = self.place.write_config(**self._config, **config)
        return self._run("oz-install", written, "--firmware", standin.firmware, *options, "-t", str(LIMIT_S), template)

    def customize(self, template: Path, xml: Path, **config: str) -> Run:
        return self._run("oz-customize", self.place.write_config(**self._config, **config), template, xml)

    def _run(self, program: str, config: Path, *words: str | Path) -> Run:
        start_s = time.monotonic()
        with tempfile.TemporaryFile("w+") as stdout:
            process = subprocess.Popen(
                command(program, "-c", config, *words),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                env=self.place.environment,
            )
            patience = threading.Timer(_PATIENCE_S, process.kill)
            patience.start()
            with self._listening(start_s) as events:
                assert process.stderr
                told = [(time.monotonic() - start_s, line) for line in process.stderr]
                status = process.wait()
            patience.cancel()
            stdout.seek(0)
            text = "".join(line for _, line in told)
            return Run(status=status, stdout=stdout.read(), stderr=text, told=tuple(told), events=tuple(events))

    @contextmanager
    def _listening(self, start_s: float) -> Iterator[list[tuple[float, str]]]:
        """What guests say, as it appears in the logs of consoles and installers that Oz writes meanwhile."""
        found: list[tuple[float, str]] = []
        is_over = threading.Event()

        def listen() -> None:
            read: dict[Path, int] = {}
            while not is_over.wait(0.1):
                # What is looked at may go meanwhile.
                with suppress(FileNotFoundError):
                    for log in self.place.images.glob(".*/**/*.log"):
                        lines = log.read_text(errors="replace").splitlines(keepends=True)
                        for line in lines[read.get(log, 0) :]:
                            if line.endswith("\n"):
                                read[log] = read.get(log, 0) + 1
                                # What failed is kept under another name.
                                is_event = _EVENT in line or _AT_WORK in line
                                if is_event and line.strip() not in {text for _, text in found}:
                                    found.append((time.monotonic() - start_s, line.strip()))

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield found
        finally:
            is_over.set()
            thread.join()


def digest(disk: Path) -> str:
    """Of what is written on it: nearly all of its 10 GiB is a hole."""
    found = hashlib.sha256()
    with disk.open("rb") as file:
        end = 0
        with suppress(OSError):
            while True:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
                end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
                file.seek(start)
                found.update(b"%d" % start + file.read(end - start))
    return found.hexdigest()
