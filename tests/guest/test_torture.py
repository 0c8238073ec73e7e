"""What outlasts many builds, and builds that die where it hurts: journals, images that are being read, memory.

`make torture` runs it, together with test_kill.py, and prints its figures; --kills says how often.
"""

import collections
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from guest import tinycd
from guest.place import DISK_BYTES, PATIENCE_S, WORKERS, Place
from httpserver import HttpServer, Served

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(bool(tinycd.missing_tools()), reason=f"without {tinycd.missing_tools()}"),
]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cds(short_dir: Path) -> Path:
    directory = short_dir / "torture-cds"
    directory.mkdir()
    for variant in ("finish", "hang"):
        tinycd.build(directory / f"{variant}.iso", variant)
    return directory


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    number = request.config.getoption("--kills")
    assert isinstance(number, int)
    return number


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


KILLED_AFTER_WRITING = """
import os, signal, sys
from oz.host.journal import Journal
left, write = int(sys.argv[1]), Journal._write
def write_and_die(journal, record):
    global left
    write(journal, record)
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
Journal._write = write_and_die
from oz.cli import main_install
sys.exit(main_install(sys.argv[2:]))
"""


def test_killed_right_after_each_line_of_its_journal(
    short_dir: Path, capabilities_cache: Path, cds: Path, figure: Callable[[str], None]
) -> None:
    place = Place(short_dir / "lines", capabilities_cache)
    template = place.write_template("l", cds / "finish.iso")
    killed = 0
    for number in range(30):
        for path in place.images.glob("l.*") if place.images.exists() else ():
            subprocess.run(["rm", "-r", str(path)], check=True)
        done = subprocess.run(
            [sys.executable, "-c", KILLED_AFTER_WRITING, str(number), "-c", str(place.config), str(template)],
            env={**place.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        assert place.await_no_emulator()
        run = place.install(template)
        assert run.returncode == 0 or "is there already" in run.stderr, (number, run.stderr)
        assert (place.images / "l.dsk").stat().st_size == DISK_BYTES, number
        assert not place.leftovers(), number
    assert killed >= 3
    figure(f"{killed} deaths survived, one right after each line of the journal")


@pytest.mark.timeout(36000)
def test_an_image_that_is_worked_on_or_read_survives_each_death_unchanged(
    short_dir: Path, capabilities_cache: Path, cds: Path, rounds: int, figure: Callable[[str], None]
) -> None:
    """oz-customize and oz-generate-manifest, killed while the guest boots: here it never comes to ssh."""
    seed = int(os.environ.get("OZ_SEED", time.time_ns() % 10**6))
    print(f"OZ_SEED={seed}")

    def work(worker: int) -> collections.Counter[signal.Signals]:
        chance = random.Random(seed + worker)
        place = Place(short_dir / f"read{worker}", capabilities_cache)
        template = place.write_template("i", cds / "finish.iso")
        customized = place.directory / "c.tdl"
        text = template.read_text().replace("<disk>", "<commands><command name='c'>true</command></commands><disk>")
        customized.write_text(text)
        assert place.install(template).returncode == 0
        image, xml = place.images / "i.dsk", place.images / "i.xml"
        before = digest(image)
        deaths: collections.Counter[signal.Signals] = collections.Counter()
        for number in range(worker, max(4, rounds // 3), WORKERS):
            program = ("oz-customize", "oz-generate-manifest")[number // WORKERS % 2]
            how = (signal.SIGKILL, signal.SIGTERM)[number // WORKERS // 2 % 2]
            process = place.start(customized, xml, program=program)
            try:
                process.wait(chance.uniform(0.2, 2.5))
            except subprocess.TimeoutExpired:
                process.send_signal(how)
            _, stderr = process.communicate(timeout=PATIENCE_S)
            if process.returncode not in (-how, 128 + how):
                # before it could be killed it found that the tiny system ends at once
                assert process.returncode == 6, (program, stderr)
            deaths[how] += 1
            assert place.await_no_emulator(), (program, how)
            assert place.install("--builds", "-f", program="oz-cleanup-cache").returncode == 0
            assert not place.leftovers(), (program, how, place.leftovers())
            assert digest(image) == before, (program, how)
        return deaths

    with ThreadPoolExecutor(WORKERS) as pool:
        deaths = sum(pool.map(work, range(WORKERS)), collections.Counter())
    figure(f"{deaths[signal.SIGKILL]} SIGKILLs and {deaths[signal.SIGTERM]} SIGTERMs while an image was in use")


def test_what_killed_builds_left_is_shown_and_removed(short_dir: Path, capabilities_cache: Path, cds: Path) -> None:
    place = Place(short_dir / "builds", capabilities_cache)

    def clean(*words: str) -> subprocess.CompletedProcess[str]:
        return place.install("--builds", *words, program="oz-cleanup-cache")

    assert "no killed build has left anything" in clean().stdout
    running, killed = (
        place.start("-t", "200", place.write_template(name, cds / "hang.iso")) for name in ("run", "dead")
    )
    for process in (running, killed):
        assert process.stderr and any("watch it:" in line for line in process.stderr)
    killed.kill()
    killed.communicate()
    shown = clean()  # its standard input is empty, which is no
    assert f"run: running, process {running.pid}" in shown.stderr
    assert "dead: killed\n" in shown.stderr and ".dead.oz-partial" in shown.stderr
    assert "nothing removed" in shown.stdout and place.leftovers("dead")
    done = clean("-f", "--json")
    assert (done.returncode, '"removed": ["dead"]' in " ".join(done.stdout.split())) == (0, True), done.stdout
    assert not place.leftovers("dead") and running.poll() is None
    running.terminate()
    running.communicate(timeout=PATIENCE_S)
    assert not place.leftovers()


def test_four_builds_at_once(short_dir: Path, capabilities_cache: Path, cds: Path) -> None:
    place = Place(short_dir / "four", capabilities_cache)
    templates = [place.write_template(f"t{number}", cds / "finish.iso") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for run in pool.map(place.install, templates):
            assert run.returncode == 0, run.stderr
    assert sorted(path.name for path in place.images.glob("*.dsk")) == ["t0.dsk", "t1.dsk", "t2.dsk", "t3.dsk"]
    assert not place.leftovers()


REPEATED = """
import os, sys
from oz.cli import main_install
def now():
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))
for number in range(int(sys.argv[1])):
    if main_install(sys.argv[2:]) != 0:
        sys.exit("it failed")
    if number in (9, int(sys.argv[1]) - 1):
        print(*now(), file=sys.stderr)
"""


@pytest.mark.timeout(36000)
def test_builds_in_sequence_grow_nothing(
    short_dir: Path, capabilities_cache: Path, cds: Path, rounds: int, figure: Callable[[str], None]
) -> None:
    """The part up to the edited medium, in one process: memory, descriptors and files stay as after the tenth."""
    place = Place(short_dir / "many", capabilities_cache)
    template = place.write_template("m", cds / "finish.iso")
    times = max(30, rounds)
    words = ["-c", str(place.config), "-p", "--stop-after", "media", str(template)]
    done = subprocess.run(
        [sys.executable, "-c", REPEATED, str(times), *words],
        env={**place.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = [line.split() for line in done.stderr.splitlines() if line[:1].isdigit()]
    (memory, descriptors), (memory_then, descriptors_then) = ((int(one), int(two)) for one, two in figures)
    assert descriptors_then == descriptors
    assert memory_then - memory < 16 * 1024**2, (memory, memory_then)
    assert not place.leftovers()
    assert sorted(path.name for path in place.images.iterdir()) == ["m.iso", "m.oz"]
    figure(f"{times} builds in one process: {(memory_then - memory) / 1024:.0f} KiB more memory, no descriptor more")


def test_an_emulator_that_is_killed_ends_the_build_with_words(
    short_dir: Path, capabilities_cache: Path, cds: Path, figure: Callable[[str], None]
) -> None:
    place = Place(short_dir / "qemu", capabilities_cache)
    process = place.start("-t", "200", place.write_template("q", cds / "hang.iso"))
    assert process.stderr and any("watch it:" in line for line in process.stderr)
    [emulator] = place.emulators()
    os.kill(emulator, signal.SIGKILL)
    start = time.monotonic()
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 7, stderr
    assert "the guest was stopped from outside" in stderr or "crashed" in stderr, stderr
    assert not place.leftovers()
    figure(f"the death of QEMU was told after {time.monotonic() - start:.1f} s")


class FickleServer(HttpServer):
    """Breaks off, and has another file under the same name the second time."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        super().answer(request)
        self.files["/cd.iso"] = Served(content=self.files["/cd.iso"].content[::-1], etag='"2"')


SERVERS: dict[str, tuple[type[HttpServer], dict[str, Any], int, str]] = {
    "stalls": (HttpServer, {"stalls_after": [40_000]}, 0, ""),
    "truncates": (HttpServer, {"breaks_after": [30_000, 30_000, 30_000]}, 0, ""),
    "truncates-always": (HttpServer, {"breaks_after": [30_000] * 99, "has_ranges": False}, 5, "it ended too early"),
    "lies-about-length": (HttpServer, {"extra_length": 10}, 5, "cannot download"),
    "changes-its-file": (FickleServer, {"breaks_after": [30_000]}, 5, "has the sha256 digest"),
    "redirects-for-ever": (HttpServer, {"redirect": "/cd.iso"}, 5, "redirects"),
}
"""What a media server does, the exit status, and what is said."""


def test_media_servers_that_err(
    short_dir: Path, capabilities_cache: Path, cds: Path, figure: Callable[[str], None]
) -> None:
    place = Place(short_dir / "servers", capabilities_cache)
    content = (cds / "finish.iso").read_bytes()

    def install(name: str) -> subprocess.CompletedProcess[str]:
        kind, facts, _, _ = SERVERS[name]
        server = kind()
        server.files["/cd.iso"] = Served(content=content, etag='"1"', **facts)
        try:
            template = place.write_template(name, cds / "finish.iso")
            url = f"<iso>{server.url('/cd.iso')}</iso><sha256sum>{digest(cds / 'finish.iso')}</sha256sum>"
            text = re.sub("<size>.*</size>", "<size>2 GiB</size>", template.read_text())
            template.write_text(re.sub("<iso>.*</iso>", url, text))
            return place.install(template)
        finally:
            server.close()

    with ThreadPoolExecutor(len(SERVERS)) as pool:
        runs = dict(zip(SERVERS, pool.map(install, SERVERS), strict=True))
    for name, run in runs.items():
        *_, status, words = SERVERS[name]
        assert run.returncode == status, (name, run.stderr)
        assert words in run.stderr and (status == 0 or "\n  hint: " in run.stderr), (name, run.stderr)
        assert not place.leftovers(name), name
        assert (place.images / f"{name}.dsk").exists() == (status == 0)
    figure(f"{len(SERVERS)} kinds of media servers that err: 2 survived, {len(SERVERS) - 2} told")
