"""Disk images by the real qemu-img and qemu-io."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oz import progress
from oz.errors import HostError
from oz.host import disk
from oz.model import Drive, Patch, Remaster
from oz.units import GIB, MIB


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def write(path: Path, format: str, offset: int, text: bytes) -> None:
    source = path.parent / "write.tmp"
    source.write_bytes(text)
    run("qemu-io", "-f", format, "-c", f"write -s {source} {offset} {len(text)}", path)
    source.unlink()


def logical(path: Path, format: str, tmp_path: Path) -> bytes:
    out = tmp_path / "logical"
    run("qemu-img", "convert", "-f", format, "-O", "raw", path, out)
    data = out.read_bytes()
    out.unlink()
    return data


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Writes beyond fail as on a full disk, in our children as well."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A raw image of 8 MiB with data at both ends."""
    path = tmp_path / "base with blanks.raw"
    with path.open("wb") as file:
        file.write(random.Random(3).randbytes(70_000))
        file.truncate(8 * MIB)
        file.seek(8 * MIB - 9)
        file.write(b"the end..")
    return path


# ------------------------------------------------------------------ making


@pytest.mark.parametrize("format", disk.FORMATS)
def test_create(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"a disk.{format}"
    assert disk.create(path, 64 * MIB, format) == path
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    told = disk.info(path, format=format)
    assert (told.format, told.backing) == (format, None)
    assert 64 * MIB <= told.virtual_bytes < 65 * MIB
    assert told.allocated_bytes < 5 * MIB
    assert disk.detect_format(path) == format


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_a_new_disk_may_have_an_empty_partition_table(format: str, tmp_path: Path) -> None:
    path = disk.create(tmp_path / "d", 64 * MIB, format, has_partition_table=True)
    raw = disk.convert(Drive(path=path, format=format), tmp_path / "raw", "raw")
    told = subprocess.run(["sfdisk", "--json", str(raw)], capture_output=True, text=True, check=True).stdout
    table = json.loads(told)["partitiontable"]
    assert (table["label"], table["id"], table.get("partitions", [])) == ("dos", "0x4f4f4f4f", [])


def test_overlay_leaves_its_base_alone(base: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(base.read_bytes()).digest()
    over = disk.overlay(tmp_path / "over.qcow2", Drive(path=base))
    second = disk.overlay(tmp_path / "second.qcow2", Drive(path=over, format="qcow2"))
    write(second, "qcow2", 0, b"changed" * 100)
    assert disk.info(second, format="qcow2").backing == over
    assert over.stat().st_mode & 0o777 == 0o600
    data = logical(second, "qcow2", tmp_path)
    assert data[:700] == b"changed" * 100
    assert data[700 : 8 * MIB] == base.read_bytes()[700:]
    assert hashlib.sha256(base.read_bytes()).digest() == digest


def test_overlay_of_a_relative_base(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    disk.overlay(Path("sub/over.qcow2"), Drive(path=Path(base.name)))
    assert disk.info(Path("sub/over.qcow2"), format="qcow2").backing == base


def test_commit_can_be_repeated(base: Path, tmp_path: Path) -> None:
    over = disk.overlay(tmp_path / "over.qcow2", Drive(path=base))
    write(over, "qcow2", 4096, b"new" * 1000)
    wanted = logical(over, "qcow2", tmp_path)
    disk.commit(over)
    assert base.read_bytes() == wanted
    with base.open("r+b") as file:  # as if the commit had been killed half-way
        file.seek(4096)
        file.write(bytes(1500))
    disk.commit(over)
    assert base.read_bytes() == wanted


# ------------------------------------------------------------------ patches


def patches_of(number: int, chance: random.Random) -> tuple[Patch, ...]:
    offsets = sorted(chance.sample(range(9 * MIB // 512), number))
    spans = [(offset * 512 + chance.randrange(100), chance.randrange(1, 400)) for offset in offsets]
    return tuple(Patch(offset=at, data=chance.randbytes(size)) for at, size in spans)


@pytest.mark.parametrize("number", [0, 1, 600])
def test_both_forms_of_an_edited_medium_are_equal(number: int, base: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(base.read_bytes()).digest()
    edited = Remaster(size_bytes=10 * MIB, patches=patches_of(number, random.Random(number)))
    wanted = bytearray(base.read_bytes().ljust(10 * MIB, b"\0"))
    for patch in edited.patches:
        wanted[patch.offset : patch.end] = patch.data
    # Names that tools could take for options, protocols or commands
    over = disk.apply_patches(base, edited, tmp_path / "nbd:a b.qcow2", format="qcow2")
    whole = disk.apply_patches(base, edited, tmp_path / "-edited.iso", format="raw")
    assert whole.read_bytes() == wanted
    run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", over, whole)
    assert sorted(tmp_path.iterdir()) == sorted([base, over, whole])
    assert hashlib.sha256(base.read_bytes()).digest() == digest
    assert over.stat().st_blocks * 512 <= (number + 60) * 4096 * 2


def test_large_sources_are_streamed(base: Path, tmp_path: Path) -> None:
    source = tmp_path / "source, with: marks"
    source.write_bytes(random.Random(8).randbytes(3 * MIB + 77))
    patches = (Patch(offset=5, data=b"small"), Patch(offset=8 * MIB, source=source, source_bytes=3 * MIB + 77))
    edited = Remaster(size_bytes=12 * MIB, patches=patches)
    over = disk.apply_patches(base, edited, tmp_path / "over.qcow2", format="qcow2")
    whole = disk.apply_patches(base, edited, tmp_path / "whole.iso", format="raw")
    data = whole.read_bytes()
    assert data[8 * MIB :].rstrip(b"\0") == source.read_bytes().rstrip(b"\0")
    assert data[5:10] == b"small"
    run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", over, whole)
    source.write_bytes(b"shorter")
    for form in ("qcow2", "raw"):
        with pytest.raises(HostError, match="changed while it was used"):
            disk.apply_patches(base, edited, tmp_path / "again", format=form)  # type: ignore[arg-type]
    assert not (tmp_path / "again").exists()


# ------------------------------------------------------------------ copies


def test_copy_keeps_holes_and_tells_progress(tmp_path: Path) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        for at in (0, 1 * GIB, 3 * GIB):
            file.seek(at)
            file.write(b"data" * 5000)
        file.truncate(4 * GIB)
    events: list[progress.ProgressEvent] = []
    progress.add_view(events.append)
    try:
        target = disk.copy(Drive(path=source), tmp_path / "copy")
    finally:
        progress.remove_view(events.append)
    assert target.stat().st_size == 4 * GIB
    assert target.stat().st_blocks * 512 < MIB
    assert target.stat().st_mode & 0o777 == 0o600
    with source.open("rb") as old, target.open("rb") as new:
        for at in (0, 1 * GIB, 3 * GIB):
            assert os.pread(new.fileno(), MIB, at) == os.pread(old.fileno(), MIB, at)
    if events:  # none where the blocks are shared
        assert (events[-1].kind, events[-1].done, events[-1].total) == ("meter", 4 * GIB, 4 * GIB)


@pytest.mark.parametrize("format", disk.FORMATS)
def test_convert(format: str, base: Path, tmp_path: Path) -> None:
    over = disk.overlay(tmp_path / "over.qcow2", Drive(path=base))
    write(over, "qcow2", 0, b"changed!" * 64)
    target = disk.convert(Drive(path=over, format="qcow2"), tmp_path / "target", format)
    assert disk.detect_format(target) == format
    assert disk.info(target, format=format).backing is None
    assert logical(target, format, tmp_path)[: 8 * MIB] == logical(over, "qcow2", tmp_path)
    assert target.stat().st_mode & 0o777 == 0o600


# ------------------------------------------------------------------ hostile images


def test_images_that_name_other_files_are_refused(base: Path, tmp_path: Path) -> None:
    over = disk.overlay(tmp_path / "over.qcow2", Drive(path=base))
    with pytest.raises(HostError, match=r"over\.qcow2 is a qcow2 image that names a backing file") as caught:
        disk.detect_format(over)
    assert "qemu-img convert" in str(caught.value.hint)
    data = tmp_path / "data.qcow2"
    run("qemu-img", "create", "-f", "qcow2", "-o", f"data_file={tmp_path}/elsewhere", data, "1M")
    with pytest.raises(HostError, match="names an external data file"):
        disk.detect_format(data)
    flat = tmp_path / "flat.vmdk"
    run("qemu-img", "create", "-f", "vmdk", "-o", "subformat=monolithicFlat", flat, "1M")
    with pytest.raises(HostError, match="names extents in other files"):
        disk.detect_format(flat)
    run("qemu-img", "create", "-f", "vmdk", tmp_path / "parent.vmdk", "1M")
    child = tmp_path / "child.vmdk"
    run("qemu-img", "create", "-f", "vmdk", "-b", tmp_path / "parent.vmdk", "-F", "vmdk", child)
    with pytest.raises(HostError, match="vmdk image that names a backing file"):
        disk.detect_format(child)
    run("qemu-img", "create", "-f", "qed", "-b", base, "-F", "raw", tmp_path / "q.qed")
    with pytest.raises(HostError, match="qed image that names a backing file"):
        disk.detect_format(tmp_path / "q.qed")


def test_a_raw_disk_that_dresses_up_is_still_what_it_is_told_to_be(base: Path, tmp_path: Path) -> None:
    """A guest writes a qcow2 header into its raw disk; nobody who was told raw may believe it."""
    over = disk.overlay(tmp_path / "over.qcow2", Drive(path=base))
    guest_disk = disk.create(tmp_path / "guest.raw", MIB, "raw")
    with guest_disk.open("r+b") as file:
        file.write(over.read_bytes()[:512])
    assert disk.info(guest_disk, format="raw").backing is None
    again = disk.overlay(tmp_path / "again.qcow2", Drive(path=guest_disk))
    assert logical(again, "qcow2", tmp_path)[:512] == over.read_bytes()[:512]
    with pytest.raises(HostError, match="names a backing file"):
        disk.detect_format(guest_disk)


def test_what_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HostError, match="is neither a file nor a block device"):
        disk.detect_format(tmp_path / "pipe")
    with pytest.raises(HostError, match=r"nothing: No such file"):
        disk.detect_format(tmp_path / "nothing")
    (tmp_path / "empty").touch()
    assert disk.detect_format(tmp_path / "empty") == "raw"


# ------------------------------------------------------------------ failures


def test_a_tool_s_last_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not an image" * 100)
    with pytest.raises(HostError, match=r"text: qemu-img failed \(status 1\): .*not in qcow2 format"):
        disk.info(tmp_path / "text", format="qcow2")
    with pytest.raises(HostError, match=r"Could not open backing|No such file"):
        disk.overlay(tmp_path / "over", Drive(path=tmp_path / "nothing"))
    with pytest.raises(HostError, match="nothing: No such file"):
        disk.copy(Drive(path=tmp_path / "nothing"), tmp_path / "copy")
    with pytest.raises(HostError, match="'iso' is not a disk image format"):
        disk.create(tmp_path / "x", MIB, "iso")
    with pytest.raises(HostError, match="No such file"):
        disk.create(tmp_path / "no/directory", MIB, "raw")
    with pytest.raises(HostError, match="No such file"):
        disk.flush(tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What starts them for us is there.
    if setpriv := shutil.which("setpriv"):
        (tmp_path / "setpriv").symlink_to(setpriv)
    monkeypatch.setenv("PATH", str(tmp_path))
    for use in (disk.check_tools, lambda: disk.create(tmp_path / "x", MIB, "qcow2")):
        with pytest.raises(HostError, match=r"^qemu-img is not installed\n") as caught:
            use()
        assert "qemu-utils" in str(caught.value.hint)


def test_existing_target_is_replaced_only_by_a_whole_one(base: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("before")
    with pytest.raises(HostError, match="not in qcow2 format"):
        disk.convert(Drive(path=base, format="qcow2"), target, "raw")
    assert target.read_text() == "before"


def test_too_little_space_is_refused(tmp_path: Path) -> None:
    disk.check_space(tmp_path / "not/there/yet", 1, "nothing much")
    with pytest.raises(HostError, match=r"there has .* free, but the moon needs 8 EiB"):
        disk.check_space(tmp_path / "there", 8 * 1024**6, "the moon")


def test_full_file_system_in_the_middle(base: Path, tmp_path: Path) -> None:
    """On a tmpfs of 2 MiB in a mount namespace of its own."""
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from oz.errors import HostError
        from oz.host import disk
        from oz.model import Drive, Patch, Remaster
        base, small = Path(sys.argv[1]), Path(sys.argv[2])
        full = Drive(path=base.with_name("full.raw"))
        large = Remaster(size_bytes=8 * 2**20, patches=(Patch(offset=0, data=b"x" * 5 * 2**20),))
        for make in (
            lambda: disk.copy(full, small / "out"),
            lambda: disk.convert(full, small / "out", "qcow2"),
            lambda: disk.apply_patches(base, large, small / "out", format="qcow2"),
            lambda: disk.apply_patches(base, large, small / "out", format="raw"),
        ):
            try:
                make()
            except HostError as error:
                assert f"the file system of {small} is full" in error.message, error
            else:
                sys.exit("no error")
            assert not list(small.iterdir()), list(small.iterdir())
        print("refused")
        """
    )
    (tmp_path / "full.raw").write_bytes(random.Random(1).randbytes(4 * MIB))
    small = tmp_path / "small"
    small.mkdir()
    (tmp_path / "program.py").write_text(program)
    script = 'mount -t tmpfs -o size=2m none "$1" || exit 77; exec "$2" "$3" "$4" "$1"'
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*namespace, "sh", "-c", script, "sh", small, sys.executable, tmp_path / "program.py", base],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(disk.__file__).parents[2])},
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mount namespace here")
    assert done.stdout == "refused\n", done.stderr


def test_size_limit_counts_as_full(base: Path, tmp_path: Path) -> None:
    with file_size_limit(MIB), pytest.raises(HostError, match="is full"):
        disk.copy(Drive(path=base), tmp_path / "copy")
    assert list(tmp_path.iterdir()) == [base]


def test_interrupted_conversion_leaves_nothing(tmp_path: Path) -> None:
    """The exception of a signal handler ends qemu-img, and the half-made file goes."""
    source = tmp_path / "source.raw"
    with source.open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(MIB) * 4)
    out = tmp_path / "out"
    out.mkdir()

    class Interrupted(BaseException):
        pass

    def interrupt(event: progress.ProgressEvent) -> None:
        raise Interrupted("at the first meter")

    progress.add_view(interrupt)
    try:
        with pytest.raises(Interrupted, match="meter"):
            disk.convert(Drive(path=source), out / "target.qcow2", "qcow2")
    finally:
        progress.remove_view(interrupt)
    assert not list(out.iterdir())
    deadline = time.monotonic() + 10
    while children() and time.monotonic() < deadline:
        pass
    assert "qemu-img" not in children()


def children() -> list[str]:
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    names = (Path(f"/proc/{pid}/comm") for pid in pids)
    return [name.read_text().strip() for name in names if name.exists()]


def test_flush(base: Path) -> None:
    disk.flush(base)
