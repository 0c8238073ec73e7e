"""A host of its own for tiny installations: directories, templates, commands, and what they leave behind."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import warm
from programs import command, write_config

PATIENCE_S = 120.0
"""For anything that takes seconds when this host is idle."""
DISK_BYTES = 64 * 1024**2
WORKERS = 3
"""Places that tests of many rounds work in at once: half of each round is waiting."""


class Place:
    """`directory` is short: sockets are below it. `cache` keeps what QEMU can do. `config` as for write_config."""

    def __init__(self, directory: Path, cache: Path, **config: str) -> None:
        self.directory = directory
        self.images = directory / "images"
        self.data = directory / "data"
        self.runtime = directory / "r"
        self.runtime.mkdir(mode=0o700, parents=True)
        self.data.mkdir()
        (self.data / "cache").symlink_to(cache)
        self.config = self.write_config(**config)
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.runtime), "HOME": str(directory)}

    def write_config(self, **config: str) -> Path:
        # In place of probing /dev/kvm for 3 s: what these guests do needs no speed.
        return write_config(self.directory, **{"libvirt_type": "qemu", "libvirt_memory": "32"} | config)

    def write_template(self, name: str, iso: Path) -> Path:
        path = self.directory / f"{name}.tdl"
        path.write_text(
            f"<template><name>{name}</name><os><name>Debian</name><version>13</version><arch>x86_64</arch>"
            f"<install type='iso'><iso>file://{iso}</iso></install></os>"
            f"<disk><size>{DISK_BYTES // 1024**2} MiB</size></disk></template>\n"
        )
        return path

    def start(
        self,
        *arguments: str | Path,
        program: str = "oz-install",
        under: Sequence[str] = (),
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[str]:
        """One of our programs, run by the program `under`."""
        return subprocess.Popen(
            [*under, *command(program, "-c", self.config, *arguments)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env=self.environment,
        )

    def install(
        self, *arguments: str | Path, program: str = "oz-install", under: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """oz-install, or another program of ours, to its end."""
        if not under:
            return warm.run(
                program,
                "-c",
                self.config,
                *arguments,
                cwd=self.directory,
                env=self.environment,
                timeout=PATIENCE_S,
            )
        process = self.start(*arguments, program=program, under=under)
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"{program} {arguments} hangs: {process.communicate()}")
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def emulators(self) -> list[int]:
        """The QEMU processes that have a file of this place."""
        return [pid for pid, words in _processes() if "qemu-system" in words[0] and self._is_in(words)]

    def lifelines(self, pid: int) -> list[int]:
        """The processes that would kill `pid`: its own, and the guard of every QEMU of this place."""
        return [
            found
            for found, words in _processes()
            if (words[0] == "/bin/sh" and words[-1] == str(pid))
            or (words[1:2] == ["-c"] and "outlive(" in words[2] and self._is_in(words))
        ]

    def _is_in(self, words: list[str]) -> bool:
        return any(f"{self.directory}/" in word for word in words[1:])

    def leftovers(self, *names: str) -> list[str]:
        """What should not be there: half-made files, journals, locks, runtime directories, QEMU processes.

        With names, of these builds alone, while others go on.
        """
        found = [*self.images.glob(".*"), *self.images.glob("*.failed")] if self.images.is_dir() else []
        found += (self.data / "builds").glob("*")
        if names:
            found = [path for path in found if path.name.lstrip(".").startswith(tuple(f"{name}." for name in names))]
        else:
            found += (self.runtime / "oz").glob("*")
            found += [Path(f"/proc/{pid}") for pid in self.emulators()]
        return sorted(map(str, found))

    def await_no_emulator(self, limit_s: float = 15.0) -> bool:
        """Whether every QEMU of this place is gone in time."""
        pause = threading.Event()
        for _ in range(round(limit_s / 0.05)):
            if not self.emulators():
                return True
            pause.wait(0.05)
        return False


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
                if words:
                    yield int(entry.name), words
