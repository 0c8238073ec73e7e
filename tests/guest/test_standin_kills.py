"""A whole system is installed, customized, listed and sealed, from a medium that stands in for Debian's, and the
programs are killed at random moments: the next command finds nothing half-made, and the rerun succeeds.
"""

import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from guest.place import Place
from guest.standins import CUSTOMIZE, LIMIT_S, NEEDS, Ground, Standin, digest

pytestmark = [pytest.mark.guests, pytest.mark.timeout(14400), NEEDS]

DEBIAN = Standin(distro="Debian", version="13")
WHOLE = ("--firmware", "bios", "-t", str(LIMIT_S), "--customize", "--generate-manifest", "--format", "json", "--seal")
BUILDS, READS = 20, 10
"""How often oz-install is killed, and the two programs that work on its image."""
BUILDING = (
    ("Remaster", 0.5),
    ("Install", 3.0),
    ("Install", 40.0),
    ("Keep the installed system", 3.0),
    ("Copy the cached disk", 2.0),
    ("Renew keys", 2.0),
    ("Boot", 20.0),
    ("Customize", 1.0),
    ("Write /etc/motd", 0.5),
    ("List packages", 1.0),
    ("Seal", 2.0),
    ("Power off", 3.0),
)
"""A line of progress, and how many seconds later, at most, the end comes."""
READING = (("Boot", 20.0), ("Wait for ssh: done", 2.0), ("Customize", 1.0), ("Power off", 3.0), ("Write the", 0.5))


def kill(
    place: Place, moment: tuple[str, float], chance: random.Random, *words: str | Path, program: str
) -> tuple[str, bool]:
    """Where the program was killed, and whether it had come to its end; the next command has cleared up after it."""
    line, most_s = moment
    process = place.start(*words, program=program)
    assert process.stderr
    said = next((text.strip() for text in process.stderr if text.strip().startswith(line)), "its end")
    time_s = chance.uniform(0, most_s)
    with suppress(subprocess.TimeoutExpired):
        process.wait(time_s)
    process.kill()
    _, stderr = process.communicate()
    where = f"{program} {time_s:.1f} s after {said!r}, status {process.returncode}"
    assert process.returncode in (-signal.SIGKILL, 0), (where, stderr)
    cleared = place.install("--builds", "-f", program="oz-cleanup-cache")
    assert cleared.returncode == 0, (where, cleared.stderr)
    assert not place.leftovers(), where
    return where, process.returncode == 0


def test_killed_at_any_moment_of_a_whole_system_the_rerun_succeeds(
    short_dir: Path, capabilities_cache: Path, figure: Callable[[str], None]
) -> None:
    seed = int(os.environ.get("OZ_SEED", time.time_ns() % 10**6))
    print(f"OZ_SEED={seed}")
    chance = random.Random(seed)
    ground = Ground(short_dir / "standin-kills", capabilities_cache, cache_jeos="yes")
    place = ground.place
    with ground.template(DEBIAN, "k", extra=CUSTOMIZE) as template:
        medium = ground.directory / "media-k/medium.iso"
        original = hashlib.sha256(medium.read_bytes()).hexdigest()
        for _ in range(BUILDS):
            where, is_done = kill(place, chance.choice(BUILDING), chance, *WHOLE, "-p", template, program="oz-install")
            print(where)
            names = sorted(path.name for path in place.images.iterdir())
            assert names == (["k.dsk", "k.oz", "k.xml"] if is_done or names else []), (where, names)
        run = ground.install(DEBIAN, template, "--customize", "-p")
        assert run.status == 0, run.stderr
        image, xml = place.images / "k.dsk", place.images / "k.xml"
        before = digest(image)
        for number in range(READS):
            program = ("oz-customize", "oz-generate-manifest")[number % 2]
            where, _ = kill(place, chance.choice(READING), chance, template, xml, program=program)
            print(where)
            after = digest(image)
            assert program == "oz-customize" or after == before, where
            # A change that was being written into the image is written whole: the journal has it.
            assert after == before or "Write the" in where or "its end" in where or "Power off" in where, where
            before = after
        run = ground.customize(template, xml)
        assert run.status == 0, run.stderr
        listed = place.start(template, xml, program="oz-generate-manifest")
        packages, stderr = listed.communicate(timeout=LIMIT_S)
        assert listed.returncode == 0 and "openssh-server" in packages, stderr
        assert hashlib.sha256(medium.read_bytes()).hexdigest() == original
    assert not place.leftovers()
    figure(f"{BUILDS} SIGKILLs of builds of a whole system survived, and {READS} while its image was in use")
