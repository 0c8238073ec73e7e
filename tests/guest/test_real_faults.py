"""Debian's real installer made to fail in five ways: what the user is told, and how soon after it was said."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from programs import MEDIA, command, run, serve, write_config

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not (MEDIA / "debian-13.iso").exists(), reason="no install CD; `make cd` builds it"),
]

SECONDS = 10.0
"""From the line that says it to the end of oz-install, on a busy host; screenshot and report are made meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong, and what must be told. `answers` stand in a block of our answer file, after ours or instead."""

    cause: str
    hint: str
    block: str = "finish"
    answers: str = ""
    is_instead: bool = False
    kernelparam: str = ""
    disk: str = "4 GiB"
    is_tree: bool = False

    def write(self, directory: Path, tree: str) -> list[str | Path]:
        """The template, and the answer file; what to give oz-install."""
        ours = "" if self.is_instead else "{{ super() }}"
        answer = directory / "answer.cfg"
        answer.write_text(
            '{% extends "preseed/preseed.cfg" %}\n'
            f"{{% block {self.block} %}}\n{ours}\n{self.answers}\n{{% endblock %}}\n"
        )
        source = f'<install type="iso"><iso>file://{MEDIA}/debian-13.iso</iso></install>'
        if self.is_tree:
            source = f'<install type="url"><url>{tree}</url></install>'
        template = directory / "fault.tdl"
        template.write_text(
            f"<template><name>fault</name><os><name>Debian</name><version>13</version><arch>x86_64</arch>"
            f"<kernelparam>{self.kernelparam or 'quiet'}</kernelparam>{source}<rootpw>S3cret-Word</rootpw></os>"
            f"<disk><size>{self.disk}</size></disk></template>"
        )
        return ["-c", write_config(directory), "-a", answer, template]


FAULTS = {
    "wrong-mirror": Fault(
        cause="the mirror cannot be used: '!! ERROR: Bad archive mirror'",
        hint="check the mirror's or tree's URL",
        block="packages",
        answers="d-i mirror/http/directory string /nothing/here/",
        is_tree=True,
    ),
    "unknown-package": Fault(
        cause="a package that is to be installed is not there",
        hint="check the name",
        block="packages",
        answers="d-i base-installer/includes string no-such-package",
    ),
    "small-disk": Fault(
        cause="the disk is too small for the partitions that are wanted",
        hint="give the disk more room in the template: <disk><size>",
        block="disk",
        answers="d-i partman-auto/expert_recipe string oz :: 5000 5000 -1 ext4 $primary{ } $bootable{ } "
        "method{ format } format{ } use_filesystem{ } filesystem{ ext4 } mountpoint{ / } .",
        disk="2 GiB",
    ),
    "missing-answer": Fault(
        cause="a question that the answer file does not answer: 'Root password:' (passwd/root-password)",
        hint="answer it in the answer file",
        block="users",
        answers="d-i passwd/root-login boolean true\nd-i passwd/make-user boolean false",
        is_instead=True,
    ),
    "no-network": Fault(
        cause="the installer found no network card: '!! ERROR: No network interfaces detected'",
        hint="try another network card: -n",
        kernelparam="modprobe.blacklist=virtio_net",
        is_tree=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the user saw, and how long after the installer's last word the program ended."""

    status: int
    stderr: str
    delay_s: float
    kept: Path


def fail(directory: Path, words: list[str | Path]) -> Failure:
    """The run, with the installer's logs held open: by them it is known when they were last written, also when they
    are gone."""
    logs: list[IO[bytes]] = []
    lines = []
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                command("oz-install", *words),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                cwd=directory,
            )
        )
        stack.callback(process.kill)
        assert process.stderr
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"tail -f (/\S+)/\*", line):
                logs = [stack.enter_context(path.open("rb")) for path in Path(found[1]).iterdir()]
        status = process.wait()
        delay_s = time.time() - max(os.fstat(log.fileno()).st_mtime for log in logs)
    return Failure(status=status, stderr="".join(lines), delay_s=delay_s, kept=directory / "images/fault.oz/failure")


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, capabilities_cache: Path
) -> Iterator[dict[str, Future[Failure]]]:
    """Of those that are wanted, as many at a time as there are processors."""

    def start(name: str, tree: str) -> Failure:
        directory = tmp_path_factory.mktemp(name)
        (directory / "data").mkdir()
        (directory / "data/cache").symlink_to(capabilities_cache)
        return fail(directory, FAULTS[name].write(directory, tree))

    items = " ".join(item.name for item in request.session.items)
    with serve(MEDIA / "tree") as port, ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(start, name, f"http://10.0.2.2:{port}/") for name in FAULTS if f"[{name}]" in items}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_when_the_installer_says_it(
    name: str, failures: dict[str, Future[Failure]], figure: Callable[[str], None]
) -> None:
    failure = failures[name].result()
    assert failure.status == 7, failure.stderr
    [words] = re.findall(r"^oz-install: fault: (.*)$", failure.stderr, re.MULTILINE)
    figure(f"{words}; the program ended {failure.delay_s:.1f} s after the installer's last word")
    assert FAULTS[name].cause in words
    assert f"\n  hint: {FAULTS[name].hint}" in failure.stderr
    assert failure.delay_s < SECONDS
    page = (failure.kept / "report.html").read_text()
    assert "S3cret-Word" not in failure.stderr + page


def test_a_disk_that_is_too_small_for_the_system_is_refused_before_it_starts(tmp_path: Path) -> None:
    *config, _, _, template = Fault(cause="", hint="", disk="500 MiB").write(tmp_path, "")
    done = run("oz-install", *config, template)
    assert done.returncode == 2
    assert "Debian 13 does not fit on a disk of 500 MiB\n  hint: give it 2 GiB at the least" in done.stderr
