"""Stand-ins as tests use them: a place, what media are made of, templates, runs and how long they took."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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

    def __str__(self) -> str:
        return f"{self.distro}-{self.version}-{self.arch}-{self.install_type}-{self.firmware}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a user sees of a run, and when."""

    status: int
    stdout: str
    stderr: str
    seconds: float

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
            key = "<key>AAAAA-BBBBB-CCCCC-DDDDD-EEEEE</key>" if standin.distro == "Windows" else ""
            path.write_text(
                f"<template><name>{name}</name><os><name>{standin.distro}</name><version>{standin.version}</version>"
                f"<arch>{standin.arch}</arch><install type='{kind}'><{kind}>{url}</{kind}></install>{key}"
                f"<rootpw>standin</rootpw>{os}</os><disk><size>10 GiB</size></disk>{extra}</template>\n"
            )
            tdl = templates.load(path)
            builder = Media(self.parts, guest_for(tdl), tdl, media, fail=fail)
            if standin.install_type == "url":
                builder.build_tree()
            else:
                builder.build_iso()
            yield path

    def install(self, standin: Standin, template: Path, *options: str) -> Run:
        return self._run("oz-install", self.place.config, "--firmware", standin.firmware, *options, template)

    def customize(self, template: Path, xml: Path, **config: str) -> Run:
        """With more settings of oz.cfg than those of the ground."""
        return self._run("oz-customize", self.place.write_config(**self._config, **config), template, xml)

    def _run(self, program: str, config: Path, *words: str | Path) -> Run:
        start = time.monotonic()
        done = subprocess.run(
            command(program, "-c", config, *words),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            stdin=subprocess.DEVNULL,
            env=self.place.environment,
        )
        seconds = time.monotonic() - start
        return Run(status=done.returncode, stdout=done.stdout, stderr=done.stderr, seconds=seconds)
