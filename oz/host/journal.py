"""What a running build would leave behind if it were killed now, written down before it is done.

A journal is a file of JSON lines in DATA_DIR/builds, locked while its process lives. A line is on the disk before what
it announces begins; so a last line that is cut short announces nothing that was done. Whatever finds a journal that
nobody locks finishes what has to be finished (a publication, a commit) and removes the rest.
"""

import contextlib
import errno
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oz import progress
from oz.errors import HostError, OzError
from oz.host.durable import remove_tree, sync_directory, sync_file, sync_tree
from oz.host.locks import hold, is_current, try_lock
from oz.host.processes import kill_emulators, undisturbed

_JOURNAL_BYTES_MAX = 16 * 1024**2
ROOT_BYTES_MAX = 48
"""Of a journal's root: libvirt's sockets are below it (lib/qemu/domain-1-NAME/monitor.sock), and have 107 at most."""
_ROOT_NAME_BYTES = 4  # in hexadecimal
Commit = Callable[[Path], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """`aside` is where a directory that has the target's name goes first: it cannot be replaced in one step."""

    source: Path
    target: Path
    aside: Path


@dataclass(slots=True, kw_only=True)
class _State:
    """What the lines of a journal add up to."""

    name: str = ""
    pid: int | None = None
    root: Path | None = None
    lock: Path | None = None
    made: list[Path] = field(default_factory=list)
    moves: list[_Move] = field(default_factory=list)
    overlay: Path | None = None

    @property
    def is_committed_to_finish(self) -> bool:
        return bool(self.moves) or self.overlay is not None


class Journal:
    """The journal of the build that this process runs. Use open_journal."""

    def __init__(self, descriptor: int, state: _State) -> None:
        self._descriptor = descriptor
        self._state = state
        self._commit: Commit

    @property
    def root(self) -> Path:
        """A short private directory for libvirt's files and for sockets; removed at the end. It may be in memory
        (tmpfs): no images there."""
        assert self._state.root
        return self._state.root

    def will_make(self, *paths: Path) -> None:
        """These paths, which do not exist yet, are removed unless the build publishes them."""
        paths = tuple(_absolute(path) for path in paths)
        for path in paths:
            if os.path.lexists(path):
                raise HostError(
                    f"{path} exists already",
                    hint="a killed build has left it, perhaps with a commit to finish: run Oz as that build's user and "
                    "with its oz.cfg, which puts it right",
                )
        self._write({"make": [str(path) for path in paths]})
        self._state.made += paths

    def publish(self, moves: Sequence[tuple[Path, Path]]) -> None:
        """Give each (source, target) its final name, replacing what has it. Once begun, this is finished by recovery
        if we are killed, so that all names appear. Sources are on the disk first.
        """
        planned = [_plan_move(source, target) for source, target in moves]
        for move in planned:
            sync_tree(move.source)
        with undisturbed():
            self._write({"publish": [[str(move.source), str(move.target), str(move.aside)] for move in planned]})
            self._state.moves = planned
            _finish_moves(self._state)
            self._write({"published": True})
            self._state.moves = []

    def commit_overlay(self, overlay: Path, commit: Commit) -> None:
        """Run `commit`, which must bear being repeated: the end of the journal does so if it fails, and recovery if
        that fails too, or if we are killed. The overlay is on the disk first. A signal to end is acted on afterwards.
        """
        overlay = _absolute(overlay)
        sync_file(overlay)
        with undisturbed():
            self._write({"commit": str(overlay)})
            self._state.overlay, self._commit = overlay, commit
            self._repeat_commit()

    def _repeat_commit(self) -> None:
        if self._state.overlay:
            self._commit(self._state.overlay)
            self._write({"committed": True})
            self._state.overlay = None

    def _write(self, record: dict[str, object]) -> None:
        line = json.dumps(record).encode() + b"\n"
        size_bytes = os.fstat(self._descriptor).st_size
        try:
            if os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._descriptor)
        except OSError as error:
            # Half a line would hide those after it from recovery.
            os.ftruncate(self._descriptor, size_bytes)
            raise HostError(f"cannot write the journal of {self._state.name}: {error.strerror}") from error


@contextmanager
def open_journal(
    directory: Path, *, name: str, lock: Path | None = None, runtime_dir: Path | None = None
) -> Iterator[Journal]:
    """The journal of a new build, which is going to hold the lock file `lock`.

    At the end, what was made and not published is removed, and `root`; only a publication or commit that failed
    half-way is left for `recover`: HostError, whatever the block raised.
    """
    path, descriptor = _create(directory, name)
    try:
        state = _State(name=name)
        journal = Journal(descriptor, state)
        base = _runtime_base(runtime_dir)
        # Named before it is made, as everything else.
        state.root = base / secrets.token_hex(_ROOT_NAME_BYTES)
        locked = {"lock": str(_absolute(lock))} if lock else {}
        journal._write({"name": name, "root": str(state.root), "pid": os.getpid(), **locked})
        try:
            state.root.mkdir(mode=0o700)
        except OSError as error:
            raise HostError(f"{state.root}: {error.strerror}", hint="is its directory writable?") from error
        try:
            yield journal
        except BaseException as error:
            _complete(journal, state, error)
            raise
    finally:
        with undisturbed():
            try:
                _undo(state)
                if not state.is_committed_to_finish:
                    path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)


def _complete(journal: Journal, state: _State, error: BaseException) -> None:
    """Try once more what failed half-way: `error` may have freed some space on its way up."""
    if state.overlay is None:
        return
    try:
        with undisturbed():
            journal._repeat_commit()
    except HostError as failure:
        raise HostError(
            f"the image of {state.name} is half-written; do not start it: {failure.message}",
            hint="free some space, if that is what was missing; the next command of Oz finishes it",
        ) from error
    if isinstance(error, OzError):
        error.message += "\nat the second try it succeeded: the image is whole, and has all changes"
        error.hint = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What a build has, or a killed one has left, that bears no final name."""

    name: str
    pid: int | None
    """Of the process that runs it; None for one that was killed."""
    paths: tuple[Path, ...]
    """Those that exist, its journal's root included."""
    is_to_be_finished: bool
    """Its images are complete, or half-written, and the next command of Oz puts them right."""


def list_remains(directory: Path) -> tuple[Remains, ...]:
    """Every build that has a journal in the directory, running or killed. Nothing is changed."""
    found = []
    for path in sorted(directory.glob("*.json")) if directory.is_dir() else ():
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                is_running = not try_lock(descriptor)
                state = _read(descriptor)
            finally:
                os.close(descriptor)
            paths = [one for one in (*state.made, state.lock, state.root) if one and os.path.lexists(one)]
            found.append(
                Remains(
                    name=state.name or path.name.rpartition(".")[0].rpartition(".")[0],
                    pid=state.pid if is_running else None,
                    paths=tuple(paths),
                    is_to_be_finished=state.is_committed_to_finish,
                )
            )
    return tuple(found)


def recover(directory: Path, *, commit: Commit) -> tuple[str, ...]:
    """The names of builds whose processes were killed, and which have now been cleaned up.

    Their QEMU is ended; a publication or a commit (by `commit`, with the overlay's path) is repeated; all else is
    removed. What cannot be finished is noted, and stays for the next time. It may be killed itself at any point.
    """
    names = []
    for path in sorted(directory.glob("*.json")) if directory.is_dir() else ():
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        state = _State()
        try:
            if try_lock(descriptor) and is_current(descriptor, path):
                state = _read(descriptor)
                _finish(state, commit)
                path.unlink()
                if state.name:
                    names.append(state.name)
        except (HostError, OSError) as error:
            way_out = "the image is half-written until then" if state.overlay else "remove it to give that up"
            progress.note(f"{path}: cannot finish what it lists: {error}; {way_out}")
        finally:
            os.close(descriptor)
    return tuple(names)


def _create(directory: Path, name: str) -> tuple[Path, int]:
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:64]
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = directory / f"{stem}.{secrets.token_hex(4)}.json"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            # A recovery may have locked it between the two calls, and removed it as empty.
            if try_lock(descriptor) and is_current(descriptor, path):
                sync_directory(directory)
                return path, descriptor
            os.close(descriptor)
    except OSError as error:
        raise HostError(f"{directory}: cannot keep a journal: {error.strerror}", hint="set data_dir") from error


def _runtime_base(runtime_dir: Path | None) -> Path:
    """A directory that is ours, closed to others, and short. Where /tmp/oz-UID was made by somebody else, /tmp."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if runtime_dir is None and given and Path(given).is_absolute() and _is_private(Path(given)):
        ours = Path(given) / "oz"
        if len(os.fsencode(ours)) + 1 + 2 * _ROOT_NAME_BYTES <= ROOT_BYTES_MAX:
            runtime_dir = ours
    for base in (runtime_dir, Path(f"/tmp/oz-{os.geteuid()}")):
        if base is not None:
            with contextlib.suppress(OSError):
                base.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_private(base):
                return base
    return Path("/tmp")


def _is_private(directory: Path) -> bool:
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(Path.cwd() / path))


def _plan_move(source: Path, target: Path) -> _Move:
    source, target = _absolute(source), _absolute(target)
    try:
        if source.lstat().st_dev != target.parent.stat().st_dev:
            raise HostError(f"{source} and {target} are on different file systems", hint="work in output_dir")
    except OSError as error:
        raise HostError(f"cannot name {source} {target}: {error.strerror}: {error.filename}") from error
    return _Move(source=source, target=target, aside=target.with_name(f".{target.name}.{secrets.token_hex(4)}"))


def _finish_moves(state: _State) -> None:
    """Repeatable: a source that is gone has been moved."""
    for move in state.moves:
        try:
            if os.path.lexists(move.source):
                if move.target.is_dir() and not move.target.is_symlink():
                    move.target.rename(move.aside)
                move.source.replace(move.target)
        except OSError as error:
            raise HostError(
                f"cannot name {move.source} {move.target}: {error.strerror}", hint="the next run of Oz tries again"
            ) from error
    for directory in {move.target.parent for move in state.moves} | {move.source.parent for move in state.moves}:
        sync_directory(directory)
    for move in state.moves:
        remove_tree(move.aside)
    # What bears a final name is no longer ours to remove.
    state.made = [path for path in state.made if not any(path in (move.source, move.target) for move in state.moves)]


def _finish(state: _State, commit: Commit) -> None:
    if state.root and not kill_emulators(state.root):
        raise HostError(f"a virtual machine of {state.name} under {state.root} cannot be ended")
    if state.overlay and state.overlay.exists():
        commit(state.overlay)
    state.overlay = None
    _finish_moves(state)
    state.moves = []
    _undo(state)
    if state.lock and os.path.lexists(state.lock):
        # Held once more, it goes; another build may have it by now.
        with contextlib.suppress(HostError), hold(state.lock, what=state.name, wait=False):
            pass


def _undo(state: _State) -> None:
    kept = {move.source for move in state.moves} | ({state.overlay} if state.overlay else set())
    for path in reversed(state.made):
        if not any(path == keep or path in keep.parents for keep in kept):
            remove_tree(path)
    if state.root and not any(state.root in keep.parents for keep in kept):
        remove_tree(state.root)


def _read(descriptor: int) -> _State:
    """What the journal's readable lines say; the first that is damaged ends it."""
    state = _State()
    for line in os.pread(descriptor, _JOURNAL_BYTES_MAX, 0).split(b"\n")[:-1]:
        try:
            record = json.loads(line)
            _apply(state, record)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            break
    return state


def _apply(state: _State, record: dict[str, object]) -> None:
    match record:
        case {"root": str(root), "name": str(name)}:
            state.root, state.name = _recorded(root), name
            pid, lock = record.get("pid"), record.get("lock")
            state.pid = pid if isinstance(pid, int) else None
            state.lock = None if lock is None else _recorded(lock)
        case {"make": list(paths)}:
            state.made += [_recorded(path) for path in paths]
        case {"publish": list(moves)}:
            state.moves = [
                _Move(source=_recorded(source), target=_recorded(target), aside=_recorded(aside))
                for source, target, aside in moves
            ]
        case {"published": True}:
            sources = {move.source for move in state.moves} | {move.target for move in state.moves}
            state.made = [path for path in state.made if path not in sources]
            state.moves = []
        case {"commit": str(overlay)}:
            state.overlay = _recorded(overlay)
        case {"committed": True}:
            state.overlay = None
        case _:
            raise ValueError(record)


def _recorded(text: object) -> Path:
    if not isinstance(text, str) or not Path(text).is_absolute() or ".." in Path(text).parts or "\0" in text:
        raise ValueError(text)
    os.fsencode(text)  # a ValueError for what is no name in a file system
    return Path(text)
