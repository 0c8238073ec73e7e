"""oz-install as a user meets it when something is wrong: status, message, hint, and nothing left behind."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from guest import tinycd
from guest.place import DISK_BYTES, PATIENCE_S, Place

pytestmark = pytest.mark.skipif(bool(tinycd.missing_tools()), reason=f"without {tinycd.missing_tools()}")

Run = subprocess.CompletedProcess[str]

GREETING = "tiny installer at work"
# Variant: further arguments, what the message says, whether its screen can always be saved.
FAILURES = {
    "power-off": ((), r"power-off: the installer powered off after \d+ s without its marker", False),
    "wrong-nonce": ((), r"wrong-nonce: the installer powered off after \d+ s with a wrong marker", False),
    # Time enough to greet first, on the slowest host.
    "hang": (("-t", "15"), r"had not powered itself off by its limit of 15 s \(\d+ s after", True),
    "reset-once": ((), r"the guest reset itself, which was not expected \(\d+ s after its start\)", True),
    "triple-fault": ((), r"the guest reset itself, which was not expected", True),
}


@pytest.fixture(scope="module")
def cds(short_dir: Path) -> Path:
    """A directory with a CD of each variant."""
    directory = short_dir / "cds"
    directory.mkdir()
    for variant in tinycd.VARIANTS:
        tinycd.build(directory / f"{variant}.iso", variant)
    return directory


@pytest.fixture(scope="module")
def place(short_dir: Path, capabilities_cache: Path) -> Place:
    return Place(short_dir / "faults", capabilities_cache)


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.fixture(scope="module")
def outcomes(place: Place, cds: Path, pool: ThreadPoolExecutor) -> dict[str, Future[Run]]:
    """Every variant's run, some at a time: they wait for QEMU more than they compute."""
    return {
        variant: pool.submit(
            place.install, *arguments, place.write_template(variant, cds / f"{variant}.iso")
        )
        for variant, (arguments, *_) in FAILURES.items()
    }  # fmt: skip


def assert_refused(run: Run, status: int, pattern: str, *, has_hint: bool = True) -> None:
    """That status, these words with a hint, and no traceback or control character."""
    assert run.returncode == status, run.stderr
    assert re.search(pattern, run.stderr), run.stderr
    assert not has_hint or "\n  hint: " in run.stderr, run.stderr
    assert "Traceback" not in run.stderr
    assert not re.search(r"[^\n\t\x20-\x7e]", run.stderr), run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize("variant", FAILURES)
def test_a_failed_installation_tells_how_far_it_came(
    variant: str, outcomes: dict[str, Future[Run]], place: Place
) -> None:
    _, pattern, has_screen = FAILURES[variant]
    run = outcomes[variant].result()
    assert_refused(run, 7, pattern)
    assert re.search(rf"^oz-install: {variant}: ", run.stderr, re.MULTILINE)
    assert "phase: install, from cdrom" in run.stderr
    screenshot = re.search(r"^screenshot: (\S+)$", run.stderr, re.MULTILINE)
    # One that has powered itself off may still be caught while QEMU ends.
    assert screenshot or not has_screen
    if screenshot:
        assert Path(screenshot[1]).stat().st_size > 500
    shown = re.findall(r"^  \| (.*)$", run.stderr, re.MULTILINE)
    assert shown and len(shown) <= 12
    assert any(GREETING in line for line in shown)
    assert [path.name for path in place.images.glob(f"{variant}.*")] == [f"{variant}.oz"]
    failure = place.images / f"{variant}.oz/failure"
    assert f"what there is to know of it: {failure}/report.html\n" in run.stderr
    found = {str(path.relative_to(failure)) for path in failure.rglob("*") if path.is_file()}
    assert {"report.html", "report.json", "logs/console.log", "plan.json", "preseed.cfg", "domain.xml"} <= found
    assert {f"logs/{variant}.log", "commands.txt", "versions.json"} <= found
    assert not has_screen or any(name.startswith("screens/01-after-") for name in found)
    assert not [path for path in failure.rglob("*") if path.stat().st_mode & 0o077]
    assert GREETING in (failure / "logs/console.log").read_text()
    again = (failure / "commands.txt").read_text()
    assert re.search(rf"^# try again\noz-install .*{variant}\.tdl$", again, re.MULTILINE)
    assert not place.leftovers(variant)


def test_what_a_failed_build_leaves_takes_no_name_and_goes_with_the_next_success(place: Place, cds: Path) -> None:
    iso = place.directory / "mended.iso"
    tinycd.build(iso, "power-off")
    template = place.write_template("mended", iso)
    assert place.install(template).returncode == 7
    assert place.install(template).returncode == 7
    tinycd.build(iso, "finish")
    run = place.install(template)
    assert run.returncode == 0, run.stderr
    assert (place.images / "mended.oz/report.html").is_file() and not (place.images / "mended.oz/failure").exists()
    assert not place.leftovers("mended")


def test_a_hostile_console_is_harmless_in_its_log(place: Place, cds: Path) -> None:
    image, kept = place.images / "noisy one.dsk", place.images / "noisy one.failed"
    run = place.install("-t", "6", "--keep-failed", "-s", image, place.write_template("noisy", cds / "babble.iso"))
    assert_refused(run, 7, rf"what there is of it is kept in {kept}")
    assert "had not powered itself off by its limit of 6 s" in run.stderr
    assert "  | all work and no power-off" in run.stderr
    log = (kept / "oz/logs/console.log").read_text()
    assert log.startswith(GREETING)
    assert "red" in log
    assert not re.search(r"[^\n\t\x20-\x7e]", log)
    assert (kept / "disk").stat().st_size == DISK_BYTES
    assert (kept / "oz/preseed.cfg").is_file()
    assert kept.stat().st_mode & 0o077 == 0
    assert not [path for path in place.leftovers("noisy", "noisy one") if path != str(kept)]


def test_a_failed_guest_is_left_running_for_whoever_sits_there(place: Place, cds: Path) -> None:
    ours, theirs = os.openpty()
    words = ("-t", "6", "--keep-failed", place.write_template("seen", cds / "hang.iso"))
    process = place.start(*words, stdin=theirs)
    os.close(theirs)
    assert process.stderr
    said = next(line for line in process.stderr if "press Enter to end it" in line)
    screen = re.search(r"vncviewer (\S+) shows it", said)
    assert screen and Path(screen[1]).is_socket()
    with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
        process.wait(3)
    os.write(ours, b"\n")
    _, stderr = process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    assert process.returncode == 7
    assert f"what there is of it is kept in {place.images}/seen.failed" in stderr
    assert (place.images / "seen.failed/kept/failure/report.html").is_file()
    assert not [path for path in place.leftovers("seen") if not path.endswith(".failed")]


def test_a_second_failure_replaces_what_was_kept_of_the_first(place: Place, cds: Path) -> None:
    kept = place.images / "again.failed"
    template = place.write_template("again", cds / "power-off.iso")
    kept.mkdir(parents=True)
    (kept / "old").touch()
    assert place.install("--keep-failed", template).returncode == 7
    assert (kept / "disk").is_file() and not (kept / "old").exists()


def test_what_cannot_be_kept_hides_no_failure(place: Place, cds: Path) -> None:
    template = place.write_template("stuck", cds / "power-off.iso")
    with mounted(place.images / "stuck.failed", 1024**2):
        run = place.install("--keep-failed", template)
        assert_refused(run, 7, r"without its marker")
        assert f"nothing of it could be kept in {place.images}/stuck.failed: cannot name" in run.stderr
    # The next command can.
    assert place.install(place.write_template("next", cds / "nowhere.iso")).returncode == 5
    assert (place.images / "stuck.failed/disk").is_file()
    assert place.leftovers("stuck") == [str(place.images / "stuck.failed")]


def test_inactivity_is_noticed_by_the_limit_of_oz_cfg(short_dir: Path, capabilities_cache: Path, cds: Path) -> None:
    place = Place(short_dir / "idle", capabilities_cache, timeouts_inactivity="3")
    run = place.install(place.write_template("idle", cds / "hang.iso"))
    assert_refused(run, 7, r"idle: the guest showed no activity for 3 s: no disk request, no packet")
    assert not place.leftovers()


# ------------------------------------------------------------------ names


def test_a_name_in_use_is_refused_with_its_holder(place: Place, cds: Path) -> None:
    template = place.write_template("held", cds / "hang.iso")
    with running(place, template, "-t", "100") as first:
        second = place.install(template)
        assert_refused(second, 8, rf"the name held is in use by process {first.pid}\n")
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 143
    assert not place.leftovers("held")


@contextmanager
def running(place: Place, template: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """An oz-install whose guest runs."""
    process = place.start(*arguments, template)
    try:
        assert process.stderr
        for line in process.stderr:
            if "watch it:" in line:
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def contents(place: Place, name: str) -> dict[str, tuple[int, int, int]]:
    """Every file of a finished build: which one it is, its size, and when it was last written."""
    paths = [place.images / f"{name}.dsk", place.images / f"{name}.xml"]
    paths += [path for path in (place.images / f"{name}.oz").rglob("*") if path.is_file()]
    return {
        str(path.relative_to(place.images)): (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns)
        for path in paths
    }


def test_two_builds_at_once_succeed_and_what_is_there_is_kept(
    place: Place, cds: Path, pool: ThreadPoolExecutor
) -> None:
    """Refused without -p; with it, the old image stays when the new build fails, and goes when it succeeds."""
    iso = place.directory / "changing.iso"
    tinycd.build(iso, "finish")
    template = place.write_template("kept", iso)
    other = place.write_template("other", cds / "finish.iso")
    for run in [pool.submit(place.install, path) for path in (template, other)]:
        assert run.result().returncode == 0, run.result().stderr
    before = contents(place, "kept")
    assert {"kept.dsk", "kept.xml", "kept.oz/logs/console.log", "kept.oz/known_hosts"} <= set(before)
    assert_refused(place.install(template), 2, rf"{place.images}/kept\.dsk is there already\n.*give -p")
    tinycd.build(iso, "power-off")
    assert_refused(place.install("-p", template), 7, "without its marker")
    beside = {name: facts for name, facts in contents(place, "kept").items() if "/failure/" not in name}
    assert beside == before
    tinycd.build(iso, "finish")
    assert place.install("-p", template).returncode == 0
    after = contents(place, "kept")
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert not place.leftovers("kept", "other")


def test_an_edited_medium_that_is_kept_stands_alone(short_dir: Path, capabilities_cache: Path, cds: Path) -> None:
    """Where the original lay there may be nothing any more."""
    place = Place(short_dir / "medium", capabilities_cache, cache_modified_media="yes")
    run = place.install("--stop-after", "disk", place.write_template("medium", cds / "finish.iso"))
    assert run.returncode == 0, run.stderr
    kept = place.images / "medium.oz/medium.iso"
    assert kept.stat().st_mode & 0o777 == 0o600
    command = ["isoinfo", "-R", "-i", str(kept), "-x", "/oz/preseed.cfg"]
    answer = subprocess.run(command, capture_output=True, check=True).stdout
    assert answer and answer == (place.images / "medium.oz/preseed.cfg").read_bytes()
    assert not place.leftovers()


# ------------------------------------------------------------------ what is given


def _missing_template(place: Place, cds: Path) -> list[str | Path]:
    return [place.directory / "nowhere.tdl"]


def _directory_as_template(place: Place, cds: Path) -> list[str | Path]:
    return [cds]


def _missing_config(place: Place, cds: Path) -> list[str | Path]:
    return ["-c", place.directory / "nowhere.cfg", place.write_template("config", cds / "finish.iso")]


def _directory_as_config(place: Place, cds: Path) -> list[str | Path]:
    return ["-c", cds, place.write_template("config", cds / "finish.iso")]


def _missing_iso(place: Place, cds: Path) -> list[str | Path]:
    return [place.write_template("no-iso", cds / "nowhere.iso")]


def _directory_as_iso(place: Place, cds: Path) -> list[str | Path]:
    return [place.write_template("dir-iso", cds)]


def _truncated_iso(place: Place, cds: Path) -> list[str | Path]:
    iso = place.directory / "truncated.iso"
    iso.write_bytes((cds / "finish.iso").read_bytes()[: 25 * 2048])
    return [place.write_template("truncated", iso)]


def _no_iso_at_all(place: Place, cds: Path) -> list[str | Path]:
    iso = place.directory / "text.iso"
    iso.write_text("<html>404 Not Found</html>\n")
    return [place.write_template("text", iso)]


def _iso_of_another_system(place: Place, cds: Path) -> list[str | Path]:
    iso = tinycd.build(place.directory / "other.iso", volume_id="Fedora-S-dvd-x86_64-41", disk_info="")
    return [place.write_template("fedora", iso)]


def _iso_of_another_release(place: Place, cds: Path) -> list[str | Path]:
    info = 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST'
    iso = tinycd.build(place.directory / "older.iso", volume_id="Debian 12.5.0 amd64 n", disk_info=info)
    return [place.write_template("older", iso)]


def _extra_in_our_place(place: Place, cds: Path) -> list[str | Path]:
    template = place.write_template("extra", cds / "finish.iso")
    extra = "<extras><file source='file:///etc/hostname' destination='OZ/preseed.cfg'/></extras></install>"
    template.write_text(template.read_text().replace("</install>", extra))
    return [template]


def _output_below_a_file(place: Place, cds: Path) -> list[str | Path]:
    config = place.directory / "output.cfg"
    config.write_text(f"[paths]\noutput_dir = {cds}/finish.iso/x\ndata_dir = {place.data}\n[libvirt]\ntype = qemu\n")
    return ["-c", config, place.write_template("output", cds / "finish.iso")]


def _data_below_a_file(place: Place, cds: Path) -> list[str | Path]:
    config = place.directory / "data.cfg"
    config.write_text(f"[paths]\noutput_dir = {place.images}\ndata_dir = {cds}/finish.iso/x\n[libvirt]\ntype = qemu\n")
    return ["-c", config, place.write_template("data", cds / "finish.iso")]


WRONG: dict[Callable[[Place, Path], list[str | Path]], tuple[int, str]] = {
    _missing_template: (2, r"nowhere\.tdl"),
    _directory_as_template: (2, r"/cds.*directory"),
    _missing_config: (3, r"nowhere\.cfg: there is no such file"),
    _directory_as_config: (3, r"/cds: cannot be read: Is a directory"),
    _missing_iso: (5, r"/cds/nowhere\.iso"),
    _directory_as_iso: (5, r"/cds is not a regular file"),
    _truncated_iso: (5, r"truncated\.iso"),
    _no_iso_at_all: (5, r"text\.iso"),
    _iso_of_another_system: (5, r"Fedora-S-dvd-x86_64-41.*expected Debian 13"),
    _iso_of_another_release: (5, r"Debian 12\.5\.0 amd64 n.*expected Debian 13"),
    _extra_in_our_place: (2, r"extra\.tdl:1: /OZ/preseed\.cfg is written by Oz itself"),
    _output_below_a_file: (8, r"finish\.iso/x.*Not a directory"),
    _data_below_a_file: (8, r"finish\.iso/x.*Not a directory"),
}


@pytest.fixture(scope="module")
def refusals(place: Place, cds: Path, pool: ThreadPoolExecutor) -> dict[Callable[..., list[str | Path]], Future[Run]]:
    return {prepare: pool.submit(place.install, *prepare(place, cds)) for prepare in WRONG}


@pytest.mark.parametrize("prepare", WRONG, ids=lambda prepare: prepare.__name__.strip("_"))
def test_what_is_wrong_is_refused_before_anything_starts(
    prepare: Callable[..., list[str | Path]], refusals: dict[Callable[..., list[str | Path]], Future[Run]]
) -> None:
    run = refusals[prepare].result()
    status, pattern = WRONG[prepare]
    assert_refused(run, status, pattern, has_hint=False)
    assert "Install ..." not in run.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads and writes everything")
def test_permissions_that_are_missing_are_named(place: Place, cds: Path) -> None:
    iso = tinycd.build(place.directory / "closed.iso")
    iso.chmod(0)
    run = place.install(place.write_template("closed", iso))
    assert_refused(run, 5, r"closed\.iso.*Permission denied", has_hint=False)
    template = place.write_template("unread", cds / "finish.iso")
    template.chmod(0)
    assert_refused(place.install(template), 2, r"unread\.tdl.*Permission denied", has_hint=False)
    closed = place.directory / "closed"
    closed.mkdir(mode=0o500)
    template.chmod(0o600)
    config = place.directory / "closed.cfg"
    config.write_text(f"[paths]\noutput_dir = {closed}/x\ndata_dir = {place.data}\n[libvirt]\ntype = qemu\n")
    assert_refused(place.install("-c", config, template), 8, r"closed/x.*Permission denied")


# ------------------------------------------------------------------ room


@contextmanager
def mounted(directory: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of that size."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    directory.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "oz-test", str(directory)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def test_too_little_room_is_noticed_before_anything_starts(
    short_dir: Path, capabilities_cache: Path, cds: Path
) -> None:
    place = Place(short_dir / "small", capabilities_cache)
    with mounted(place.images, DISK_BYTES // 2):
        run = place.install(place.write_template("small", cds / "finish.iso"))
        assert_refused(run, 8, rf"{place.images} has 32 MiB free, but the disk of small needs 64 MiB")
        assert "Fetch" not in run.stderr
        assert not place.leftovers()


def test_a_file_system_that_fills_up_ends_the_installation(
    short_dir: Path, capabilities_cache: Path, cds: Path
) -> None:
    place = Place(short_dir / "full", capabilities_cache)
    with mounted(place.images, DISK_BYTES + 16 * 1024):
        run = place.install(place.write_template("full", cds / "fill-disk.iso"))
        assert_refused(run, 8, rf"the file system of {place.images} is full\n  hint: free some space")
        assert "no space left on this host" in run.stderr
        assert not place.leftovers()
        assert not list(place.images.iterdir())


def test_a_file_that_cannot_be_written_is_no_bug_of_ours(place: Place, cds: Path) -> None:
    """By a limit for the size of files, which makes the plan the first that does not fit."""
    run = place.install(place.write_template("limit", cds / "finish.iso"), under=["prlimit", "--fsize=4096"])
    assert_refused(run, 8, rf"oz-install: {place.images}.*: cannot be written: File too large")
    assert not place.leftovers("limit")
