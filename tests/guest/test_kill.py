"""oz-install ended at any moment, by signals and by SIGKILL: no half-made file under a final name, no guest running.

Moments are drawn at random, from a seed that a failure names; `make torture` is the long form.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from guest import tinycd
from guest.place import DISK_BYTES, PATIENCE_S, WORKERS, Place

from oz.host import disk, journal
from oz.model import Drive

pytestmark = pytest.mark.skipif(bool(tinycd.missing_tools()), reason=f"without {tinycd.missing_tools()}")

ROOT = Path(__file__).parents[2]
# A line of progress, and how long after it, at most, the end comes: every part of a build gets its share.
MOMENTS = (
    ("", 1.0),
    ("Fetch iso ...", 0.1),
    ("Remaster the medium ...", 0.3),
    ("Install ...", 1.0),
    ("  watch it:", 0.8),
    ("Install: done", 0.03),
    ("Install: done", 0.15),
    ("Install: done", 0.5),
)


def end_at_random(
    place: Place, chance: random.Random, number: int, *arguments: str | Path
) -> tuple[str, int, str, float]:
    """Run oz-install and send it a signal at some moment: which; its status, what else it wrote to stderr, and the
    seconds it took to end."""
    line, most_s = chance.choice(MOMENTS if number == signal.SIGKILL else MOMENTS[1:])
    process = place.start(*arguments)
    assert process.stderr
    for said in process.stderr if line else ():
        if said.startswith(line):
            break
    after_s = chance.uniform(0, most_s)
    threading.Event().wait(after_s)
    process.send_signal(number)
    start = time.monotonic()
    _, stderr = process.communicate(timeout=PATIENCE_S)
    return f"{after_s:.3f} s after {line!r}", process.returncode, stderr, time.monotonic() - start


def inodes(place: Place, name: str) -> list[int]:
    """Those of the finished build, three or none; anything else is half a build."""
    paths = [place.images / f"{name}{suffix}" for suffix in (".dsk", ".xml", ".oz")]
    return [path.stat().st_ino for path in paths if path.exists()]


def assert_recovers(place: Place, template: Path, name: str, before: list[int], where: str) -> None:
    """The next command succeeds; or finds all names taken, each by the old build or each by the new one."""
    run = place.install(template)
    found = inodes(place, name)
    assert len(found) == 3, (where, run.stderr, sorted(place.images.iterdir()))
    if run.returncode != 0:
        assert (run.returncode, "is there already" in run.stderr) == (2, True), (where, run.stderr)
        assert found == before or not set(found) & set(before), (where, found, before)
    else:
        assert before == [], (where, run.stderr)
    assert (place.images / f"{name}.dsk").stat().st_size == DISK_BYTES, where
    assert not place.leftovers(), where


def kill_and_recover(place: Place, template: Path, chance: random.Random) -> str:
    """One round: a build, sometimes in place of an older one, killed; then what the next command makes of it."""
    name = template.stem
    if chance.random() < 0.6:
        for path in place.images.glob(f"{name}.*"):
            subprocess.run(["rm", "-r", str(path)], check=True)
    before = inodes(place, name)
    where, status, *_ = end_at_random(place, chance, signal.SIGKILL, "-p", template)
    assert status in (-signal.SIGKILL, 0), where
    assert place.await_no_emulator(), where
    assert_recovers(place, template, name, before, f"{where}, status {status}")
    return where


@pytest.fixture(scope="module")
def cds(short_dir: Path) -> Path:
    directory = short_dir / "kill-cds"
    directory.mkdir()
    for variant in ("finish", "hang"):
        tinycd.build(directory / f"{variant}.iso", variant)
    return directory


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    number = request.config.getoption("--kills")
    assert isinstance(number, int)
    return number


@pytest.mark.timeout(36000)
def test_killed_at_any_moment_the_next_command_recovers(
    short_dir: Path, capabilities_cache: Path, cds: Path, kills: int, figure: Callable[[str], None]
) -> None:
    seed = int(os.environ.get("OZ_SEED", time.time_ns() % 10**6))
    print(f"OZ_SEED={seed}")
    iso = cds / "finish.iso"
    digest = hashlib.sha256(iso.read_bytes()).hexdigest()

    def work(worker: int) -> None:
        place = Place(short_dir / f"kill{worker}", capabilities_cache)
        template = place.write_template("k", iso)
        chance = random.Random(seed + worker)
        for _ in range(worker, kills, WORKERS):
            print(worker, kill_and_recover(place, template, chance))

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(work, worker) for worker in range(WORKERS)]:
            done.result()
    assert hashlib.sha256(iso.read_bytes()).hexdigest() == digest
    figure(f"{kills} SIGKILLs survived")


@pytest.mark.timeout(36000)
def test_a_signal_at_any_moment_leaves_nothing(
    short_dir: Path, capabilities_cache: Path, cds: Path, kills: int, figure: Callable[[str], None]
) -> None:
    """Exit status 130, 143 or 129, at once, and no recovery is needed."""
    seed = int(os.environ.get("OZ_SEED", time.time_ns() % 10**6))
    print(f"OZ_SEED={seed}")

    slowest: list[float] = []

    def work(worker: int) -> None:
        place = Place(short_dir / f"signal{worker}", capabilities_cache)
        template = place.write_template("s", cds / "finish.iso")
        chance = random.Random(seed + worker)
        for _ in range(worker, kills * 2 // 3, WORKERS):
            number = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
            where, status, stderr, took_s = end_at_random(place, chance, number, "-p", template)
            where = f"{number.name} {where}: {status} in {took_s:.1f} s"
            print(worker, where)
            # The very last: Python has handed the signals back, with everything done.
            is_done = status in (0, -number)
            assert is_done or status == 128 + number, (where, stderr)
            slowest.append(took_s)
            # 5 s where nobody else computes; a guest that is waited for in vain takes 60.
            assert took_s < 40, where
            assert "Traceback" not in stderr, (where, stderr)
            assert is_done or "nothing half-made is left" in stderr, (where, stderr)
            assert len(inodes(place, "s")) in ((3,) if is_done else (0, 3)), where
            assert not place.leftovers(), where

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(work, worker) for worker in range(WORKERS)]:
            done.result()
    figure(f"{len(slowest)} signals obeyed, the slowest after {max(slowest):.1f} s")


def test_the_next_command_ends_a_guest_that_outlived_its_lifeline(
    short_dir: Path, capabilities_cache: Path, cds: Path
) -> None:
    place = Place(short_dir / "line", capabilities_cache)
    process = place.start("-t", "200", place.write_template("line", cds / "hang.iso"))
    assert process.stderr
    assert any("watch it:" in line for line in process.stderr)
    [emulator] = place.emulators()
    lifelines = place.lifelines(emulator)
    assert len(lifelines) == 2
    for pid in lifelines:
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()
    assert place.emulators() == [emulator]
    run = place.install(place.write_template("line", cds / "finish.iso"))
    assert run.returncode == 0, run.stderr
    assert not place.leftovers()


def test_a_signal_ends_a_hanging_guest_at_once(short_dir: Path, capabilities_cache: Path, cds: Path) -> None:
    place = Place(short_dir / "ctrlc", capabilities_cache)
    process = place.start("-t", "200", place.write_template("hang", cds / "hang.iso"))
    assert process.stderr
    assert any("watch it:" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    # A guest that is waited for in vain takes 60 s.
    _, stderr = process.communicate(timeout=40)
    assert process.returncode == 130
    assert stderr.endswith("oz-install: interrupted; nothing half-made is left\n")
    assert not place.leftovers()


KILLED_AT_RENAME = """
import os, signal, sys
left, images = int(sys.argv[1]), sys.argv[2]
def hook(event, arguments):  # before every renaming that Python does
    global left
    if event == "os.rename" and str(arguments[1]).startswith(images):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from oz.cli import main_install
sys.exit(main_install(sys.argv[3:]))
"""


@pytest.mark.torture
def test_killed_before_each_renaming_of_a_publication(short_dir: Path, capabilities_cache: Path, cds: Path) -> None:
    """Each one of them, with and without an older build under the names."""
    place = Place(short_dir / "rename", capabilities_cache)
    template = place.write_template("r", cds / "finish.iso")
    killed = 0
    for number in range(20):
        before = inodes(place, "r")
        command = [sys.executable, "-c", KILLED_AT_RENAME, str(number), str(place.images), "-c", str(place.config)]
        done = subprocess.run(
            [*command, "-p", "--stop-after", "disk", str(template)],
            env={**place.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        run = place.install("--stop-after", "disk", template)
        found = inodes(place, "r")
        assert len(found) == 3, (number, run.stderr, sorted(place.images.iterdir()))
        if before:
            assert run.returncode == 2, run.stderr
            assert found == before or not set(found) & set(before), (number, found, before)
        assert not place.leftovers(), number
    assert killed >= 4


KILLED_IN_COMMIT = """
import sys
from pathlib import Path
from oz.host import disk, journal
top = Path(sys.argv[1])
with journal.open_journal(top / "builds", name="c", runtime_dir=top / "run") as log:
    log.will_make(top / "overlay")
    (top / "made").rename(top / "overlay")
    print("begin", flush=True)
    log.commit_overlay(top / "overlay", disk.commit)
    print("end", flush=True)
"""


def test_a_commit_killed_in_its_middle_is_repeated(tmp_path: Path) -> None:
    """By real qemu-img: afterwards the image is what the overlay said, whenever it was killed."""
    chance = random.Random(8)
    size_bytes = 24 * 1024**2
    ends = set()
    for round_number in range(6):
        top = tmp_path / str(round_number)
        (top / "run").mkdir(mode=0o700, parents=True)
        image = Drive(path=top / "image", format="raw")
        disk.create(image.path, size_bytes, "raw")
        disk.overlay(top / "made", image)
        subprocess.run(
            ["qemu-io", "-f", "qcow2", "-c", f"write -P 0x5a 0 {size_bytes}", str(top / "made")],
            check=True,
            capture_output=True,
        )
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_IN_COMMIT, str(top)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout and process.stdout.readline() == "begin\n"
            # Before the journal says so nothing is promised, and the image stays as it was.
            deadline = time.monotonic() + PATIENCE_S
            while process.poll() is None and time.monotonic() < deadline:
                if any('"commit' in path.read_text() for path in (top / "builds").glob("*.json")):
                    break
            threading.Event().wait(chance.uniform(0, 0.08))
            process.kill()
            ends.add(process.stdout.read())
        # The dying qemu-img holds its lock for a moment, in which the image cannot be written.
        deadline = time.monotonic() + PATIENCE_S
        while list((top / "builds").iterdir()) and time.monotonic() < deadline:
            journal.recover(top / "builds", commit=disk.commit)
        assert image.path.read_bytes() == b"\x5a" * size_bytes
        assert sorted(path.name for path in top.iterdir()) == ["builds", "image", "run"]
        assert not [*(top / "builds").iterdir(), *(top / "run").iterdir()]
    assert "" in ends
