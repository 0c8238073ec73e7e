"""A build killed at any file operation leaves, once recovered, all of its names or none, and nothing half-made."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from programs import ROOT

from oz.errors import HostError
from oz.host import disk, hypervisor
from oz.host.journal import ROOT_BYTES_MAX, open_journal, recover
from oz.host.locks import hold
from oz.model import Drive


def no_commit(overlay: Path) -> None:
    raise AssertionError(f"nothing to commit, but {overlay}")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_what_is_published_stays_and_all_else_goes(tmp_path: Path, run: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with open_journal(tmp_path / "builds", name="f", runtime_dir=run) as journal:
        assert stat.S_IMODE(journal.root.stat().st_mode) == 0o700
        (journal.root / "socket").touch()
        journal.will_make(out / "disk.part", out / "work", out / "never-made")
        (out / "disk.part").write_text("disk")
        (out / "work").mkdir()
        (out / "work/log").write_text("log")
        (out / "work/keys").mkdir()
        journal.publish([(out / "disk.part", out / "f.dsk"), (out / "work/keys", out / "f.oz")])
    assert names(out) == ["f.dsk", "f.oz"]
    assert names(run) == names(tmp_path / "builds") == []


def test_a_failure_removes_what_was_made(tmp_path: Path, run: Path) -> None:
    with pytest.raises(ValueError, match=r"^boom$"), open_journal(tmp_path / "b", name="f", runtime_dir=run) as journal:
        journal.will_make(tmp_path / "x")
        (tmp_path / "x").write_text("half")
        raise ValueError("boom")
    assert names(tmp_path) == ["b", "run"]


def test_what_a_killed_build_of_others_left_is_not_to_be_removed(tmp_path: Path, run: Path) -> None:
    """Half of it may be in an image already, and only the journal of that build knows."""
    (tmp_path / "work").mkdir()
    with (
        pytest.raises(HostError, match="work exists already") as caught,
        open_journal(tmp_path / "b", name="f", runtime_dir=run) as journal,
    ):
        journal.will_make(tmp_path / "work")
    assert "run Oz as that build's user and with its oz.cfg" in str(caught.value.hint)


def test_a_long_runtime_directory_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets below it must fit into 107 bytes, which would be noticed after the download."""
    with tempfile.TemporaryDirectory(prefix="ozt", dir="/tmp") as short:
        long = Path(short) / ("x" * 30)
        long.mkdir(mode=0o700)
        for given in (Path(short), long):
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(given))
            with open_journal(tmp_path / "b", name="f") as journal:
                assert (given in journal.root.parents) == (given != long)
                assert len(os.fsencode(journal.root)) <= ROOT_BYTES_MAX
    assert hypervisor._ROOT_MAX == ROOT_BYTES_MAX


def test_what_exists_is_not_taken_for_ours(tmp_path: Path, run: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with (
        pytest.raises(HostError, match="mine exists already"),
        open_journal(tmp_path / "b", name="f", runtime_dir=run) as journal,
    ):
        journal.will_make(tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "precious"


def test_names_across_file_systems_are_refused_before_anything_moves(tmp_path: Path, run: Path) -> None:
    elsewhere = Path("/dev/shm")
    if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system only")
    (tmp_path / "a").touch()
    with (
        pytest.raises(HostError, match="on different file systems"),
        open_journal(tmp_path / "b", name="f", runtime_dir=run) as journal,
    ):
        journal.publish([(tmp_path / "a", tmp_path / "A"), (tmp_path / "a", elsewhere / "A")])
    assert names(tmp_path) == ["a", "b", "run"]


def test_a_publication_that_fails_half_way_is_finished_later(tmp_path: Path, run: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_text("a")
    (tmp_path / "in/b").mkdir()
    (tmp_path / "B").write_text("a file in the way of a directory")
    with (
        pytest.raises(HostError, match=r"cannot name .*/b .*/B: Not a directory"),
        open_journal(tmp_path / "builds", name="f", runtime_dir=run) as journal,
    ):
        journal.publish([(tmp_path / "in/a", tmp_path / "A"), (tmp_path / "in/b", tmp_path / "B")])
    assert recover(tmp_path / "builds", commit=no_commit) == ()
    (tmp_path / "B").unlink()
    assert recover(tmp_path / "builds", commit=no_commit) == ("f",)
    assert names(tmp_path) == ["A", "B", "builds", "in", "run"]


def test_a_commit_that_fails_is_repeated(tmp_path: Path, run: Path) -> None:
    def fail(overlay: Path) -> None:
        raise HostError("No space left on device")

    with (
        pytest.raises(HostError, match="image of f is half-written; do not start it: No space left") as caught,
        open_journal(tmp_path / "builds", name="f", runtime_dir=run) as journal,
    ):
        journal.will_make(tmp_path / "overlay")
        (tmp_path / "overlay").touch()
        journal.commit_overlay(tmp_path / "overlay", fail)
    assert "the next command of Oz finishes it" in str(caught.value.hint)
    assert (tmp_path / "overlay").exists()
    assert recover(tmp_path / "builds", commit=fail) == ()
    committed: list[Path] = []
    assert recover(tmp_path / "builds", commit=committed.append) == ("f",)
    assert committed == [tmp_path / "overlay"]
    assert names(tmp_path) == ["builds", "run"]


def test_a_commit_that_fails_once_succeeds_at_the_end(tmp_path: Path, run: Path) -> None:
    tries: list[Path] = []

    def fail_once(overlay: Path) -> None:
        tries.append(overlay)
        if len(tries) == 1:
            raise HostError("No space left on device", hint="the image is as it was")

    with (
        pytest.raises(HostError, match=r"No space left on device\nat the second try .* the image is whole") as caught,
        open_journal(tmp_path / "builds", name="f", runtime_dir=run) as journal,
    ):
        journal.will_make(tmp_path / "overlay")
        (tmp_path / "overlay").touch()
        journal.commit_overlay(tmp_path / "overlay", fail_once)
    assert caught.value.hint is None
    assert len(tries) == 2
    assert names(tmp_path) == ["builds", "run"]


def test_an_overlay_that_cannot_be_synced_is_not_committed(tmp_path: Path, run: Path) -> None:
    with (
        pytest.raises(HostError, match="overlay: cannot be written to the disk: No such file"),
        open_journal(tmp_path / "builds", name="f", runtime_dir=run) as journal,
    ):
        journal.commit_overlay(tmp_path / "overlay", no_commit)
    assert names(tmp_path) == ["builds", "run"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_a_commit(tmp_path: Path, run: Path, number: signal.Signals) -> None:
    class Ended(Exception):
        pass

    def end(_number: int, _frame: object) -> None:
        raise Ended("now")

    def commit(overlay: Path) -> None:
        os.kill(os.getpid(), number)
        for _ in range(1000):
            overlay.stat()
        done.append(overlay)

    done: list[Path] = []
    before = signal.signal(number, end)
    try:
        with (
            pytest.raises(Ended, match=r"^now$"),
            open_journal(tmp_path / "builds", name="f", runtime_dir=run) as journal,
        ):
            journal.will_make(tmp_path / "overlay")
            (tmp_path / "overlay").touch()
            journal.commit_overlay(tmp_path / "overlay", commit)
    finally:
        signal.signal(number, before)
    assert done == [tmp_path / "overlay"]
    assert names(tmp_path) == ["builds", "run"]


SLOW_QEMU_IMG = """\
#!/bin/sh
case "$*" in commit*) echo begin > "$TOP/begun"; read -r _ < "$TOP/end";; esac
PATH=${PATH#*:} exec qemu-img "$@"
"""
COMMIT = """
import sys
from pathlib import Path
from oz.host import disk, journal
top = Path(sys.argv[1])
with journal.open_journal(top / "builds", name="c", runtime_dir=top / "run") as log:
    log.will_make(top / "overlay")
    (top / "made").rename(top / "overlay")
    log.commit_overlay(top / "overlay", disk.commit)
"""


def test_ctrl_c_does_not_reach_a_commit(tmp_path: Path, run: Path) -> None:
    """A terminal sends it to every process of the group."""
    image = Drive(path=tmp_path / "image")
    disk.create(image.path, 1024**2, "raw")
    disk.overlay(tmp_path / "made", image)
    write = ["qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 0 1M", str(tmp_path / "made")]
    subprocess.run(write, check=True, capture_output=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/qemu-img").write_text(SLOW_QEMU_IMG)
    (tmp_path / "bin/qemu-img").chmod(0o755)
    os.mkfifo(tmp_path / "begun")
    os.mkfifo(tmp_path / "end")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOP": str(tmp_path)}
    # Opened for both: to write does not wait then for who reads.
    with (
        (tmp_path / "end").open("r+b", buffering=0) as end,
        subprocess.Popen(
            [sys.executable, "-c", COMMIT, str(tmp_path)],
            env={**environment, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process,
    ):
        assert (tmp_path / "begun").read_text() == "begin\n"
        os.killpg(process.pid, signal.SIGINT)
        end.write(b"go on\n")
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert stderr.endswith(b"KeyboardInterrupt\n")
    assert image.path.read_bytes() == b"\x5a" * 1024**2
    assert not [*(tmp_path / "builds").iterdir(), *run.iterdir()]


def test_a_running_build_is_left_alone(tmp_path: Path, run: Path) -> None:
    with open_journal(tmp_path / "b", name="f", runtime_dir=run) as journal:
        journal.will_make(tmp_path / "x")
        (tmp_path / "x").touch()
        assert recover(tmp_path / "b", commit=no_commit) == ()
        assert (tmp_path / "x").exists()
        assert journal.root.exists()


@pytest.mark.parametrize(
    "tail",
    [b'{"make": ["/tmp/oz-tes', b"\xff\xfe\0\n", b"[" * 100000 + b"\n", b'{"make": [7]}\n', b'"make"\n',
     b'{"make": ["relative"]}\n', b'{"make": ["/usr/../etc"]}\n', b'{"publish": [[1]]}\n', b'{"what": 1}\n',
     b'{"make": ["/a/b/\\u0000"]}\n', b'{"make": ["/a/b/\\ud800"]}\n'],
)  # fmt: skip
def test_a_damaged_journal_is_believed_up_to_the_damage(tmp_path: Path, tail: bytes) -> None:
    (tmp_path / "half").touch()
    (tmp_path / "not-listed").touch()
    (tmp_path / "b").mkdir()
    good = b"".join(
        json.dumps(record).encode() + b"\n"
        for record in ({"name": "f", "root": str(tmp_path / "root"), "pid": 1}, {"make": [str(tmp_path / "half")]})
    )
    after = json.dumps({"make": [str(tmp_path / "not-listed")]}).encode() + b"\n"
    (tmp_path / "b/f.json").write_bytes(good + tail + (after if tail.endswith(b"\n") else b""))
    assert recover(tmp_path / "b", commit=no_commit) == ("f",)
    assert names(tmp_path) == ["b", "not-listed"]


def test_an_empty_journal_goes_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "f.json").touch()
    assert recover(tmp_path, commit=no_commit) == ()
    assert recover(tmp_path / "missing", commit=no_commit) == ()
    assert names(tmp_path) == []


def test_a_runtime_directory_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    for hostile in (tmp_path / "open", tmp_path / "link"):
        if hostile.name == "open":
            hostile.mkdir()
            hostile.chmod(0o777)
        else:
            hostile.symlink_to(tmp_path / "open")
        with open_journal(tmp_path / "b", name="f", runtime_dir=hostile) as journal:
            assert hostile not in journal.root.parents
            assert stat.S_IMODE(journal.root.stat().st_mode) == 0o700
    assert names(tmp_path / "open") == []


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from oz.errors import HostError
from oz.host.journal import open_journal, recover

top = Path(sys.argv[1])
left = None

def hook(event, arguments):  # every file operation of Python announces itself here
    global left
    if left is None or str(arguments[:1]).startswith("('/proc"):
        return
    if event == "open" or event.startswith(("os.", "shutil.")):
        left -= 1
        if left < 0:
            left = None
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)

def commit(overlay):
    (top / "out/base").write_text("")
    (top / "out/base").write_text((top / "out/overlay").read_text())

def build():
    out = top / "out"
    with open_journal(top / "builds", name="f", runtime_dir=top / "run") as journal:
        (journal.root / "monitor").touch()
        journal.will_make(out / "disk.part", out / "work", out / "overlay")
        (out / "disk.part").write_text("new")
        (out / "work").mkdir()
        (out / "work/keys").mkdir()
        (out / "work/keys/key").write_text("new")
        (out / "overlay").write_text("new")
        journal.commit_overlay(out / "overlay", commit)
        journal.publish([(out / "disk.part", out / "f.dsk"), (out / "work/keys", out / "f.oz")])

def killed_at(number, function):
    global left
    child = os.fork()
    if child == 0:
        left = number
        try:
            function()
            left = None
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status == signal.SIGKILL

def prepare():
    shutil.rmtree(top, ignore_errors=True)
    for name in ("out/f.oz", "builds"):
        (top / name).mkdir(parents=True)
    (top / "run").mkdir(mode=0o700)
    (top / "out/f.oz/key").write_text("old")
    (top / "out/f.oz/old").write_text("old")
    (top / "out/f.dsk").write_text("old")
    (top / "out/base").write_text("old")

def found():
    names = {str(path.relative_to(top)): path for path in top.rglob("*")}
    return {name: path.read_text() for name, path in names.items() if path.is_file()}, set(names)

OLD = {"out/f.oz/key": "old", "out/f.oz/old": "old", "out/f.dsk": "old"}
NEW = {"out/f.oz/key": "new", "out/f.dsk": "new"}

def check(where):
    files, names = found()
    base = files.pop("out/base")
    assert (files, base) in [(OLD, "old"), (OLD, "new"), (NEW, "new")], (where, files, base)
    assert names == {"out", "out/base", "out/f.oz", "builds", "run", *files}, (where, names)
    return files == NEW

def finish():
    recover(top / "builds", commit=commit)

outcomes, number, double = set(), 0, 0
while True:
    prepare()
    if not killed_at(number, build):
        break
    stage = 0
    # A recovery killed ever later, each going on where the last one ended; at every third point, as they are many.
    while killed_at(stage, finish) if number % 3 == 0 else finish():
        stage += 1
        double += 1
    outcomes.add(check(number))
    number += 1
assert check("whole")
print(number, double, sorted(outcomes))
"""


def test_killed_at_every_file_operation_and_again_during_recovery() -> None:
    memory = Path("/dev/shm")  # hundreds of builds, each with its fsyncs
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        command = [sys.executable, "-c", KILLED, f"{directory}/top"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    builds, recoveries, outcomes = done.stdout.split(maxsplit=2)
    assert int(builds) > 25
    assert int(recoveries) > 50
    assert outcomes.strip() == "[False, True]"


def test_a_lock_keeps_others_out_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "locks/f"
    with hold(path, what="the name f"):
        assert path.read_text() == f"{os.getpid()}\n"
        with (
            pytest.raises(HostError, match=f"the name f is in use by process {os.getpid()}"),
            hold(path, what="the name f", wait=False),
        ):
            pass
        inherits = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with hold(path, what="the name f", wait=False):
            pass
    finally:
        inherits.kill()
        inherits.wait()
    assert not path.exists()


HOLDERS = """
import sys
import tempfile
from pathlib import Path
from oz.host.locks import hold
for _ in range(100):
    with hold(Path(sys.argv[1]), what="x"):
        count = Path(sys.argv[2])
        count.write_text(str(int(count.read_text()) + 1))
"""


def test_one_at_a_time_though_the_file_comes_and_goes(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", HOLDERS, str(tmp_path / "lock"), str(tmp_path / "count")]
    holders = [subprocess.Popen(command) for _ in range(3)]
    assert [holder.wait(timeout=60) for holder in holders] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "300"
    assert not (tmp_path / "lock").exists()


def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from oz.host.locks import hold\n"
    script += "with hold(Path(sys.argv[1]), what='x'): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        with pytest.raises(HostError, match=f"x is in use by process {holder.pid}"):
            hold(tmp_path / "lock", what="x", wait=False).__enter__()
        holder.send_signal(signal.SIGKILL)
    with hold(tmp_path / "lock", what="x", wait=False):
        pass


def test_a_lock_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="file/lock: cannot lock x: "), hold(tmp_path / "file/lock", what="x"):
        pass
