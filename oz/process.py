"""A program as a process: its streams, signals and log, and the words and status for every way to end."""

import argparse
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

from oz import progress
from oz.arguments import Parser
from oz.errors import HostError, OzError, Terminated
from oz.live import can_be_live, live_view


class Told(Exception):
    """The program has said what is wrong, line by line; nothing but its exit status is left."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, logging.DEBUG)


def run(parser: Parser, argv: Sequence[str], program: Callable[[argparse.Namespace], None]) -> int:
    """The exit status of a program that is run with these arguments; every error becomes words."""
    try:
        return _run(parser, argv, program)
    finally:
        _drop_lost_messages()


def _run(parser: Parser, argv: Sequence[str], program: Callable[[argparse.Namespace], None]) -> int:
    as_json = "--json" in argv

    def fail(message: str, status: int, hint: str | None = None) -> int:
        tell_error(parser.prog, message, status, hint, as_json=as_json)
        return status

    try:
        _open_streams()
        with _flushing_results():
            args = _read_arguments(parser, argv)
            _set_up_logging(args.debug, as_json=as_json)
            _catch_signals()
            with _showing_progress(as_json=as_json, is_quiet=args.quiet):
                program(args)
        return 0
    except Told as error:
        return error.status
    except OzError as error:
        return fail(error.message, error.exit_status, error.hint)
    except KeyboardInterrupt:
        return fail("interrupted; nothing half-made is left", 130)
    except Terminated as error:
        name = signal.Signals(error.signal_number).name
        return fail(f"ended by {name}; nothing half-made is left", 128 + error.signal_number)
    except Exception:
        return fail(f"this is a bug in Oz; please report it\n{traceback.format_exc()}", 1)


def _read_arguments(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    try:
        return parser.read(argv)
    except OSError as error:
        # --help and --version write to stdout.
        raise _lost(error) from error


def tell_error(program: str, message: str, status: int, hint: str | None = None, *, as_json: bool) -> None:
    """Say on stderr, in words or as an event, what went wrong. What a guest or a medium put into the message does
    nothing to the terminal."""
    if as_json:
        text = json.dumps({"kind": "error", "text": message, "hint": hint, "status": status})
    else:
        lines = f"{program}: {message}\n  hint: {hint}" if hint else f"{program}: {message}"
        text = "\n".join(progress.printable(line) for line in lines.rstrip("\n").split("\n"))
    with suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


# ------------------------------------------------------------------ streams


def _open_streams() -> None:
    """Standard streams that were closed are opened on nothing: else the next file, perhaps a disk image, would get
    the number of one, and what is printed would be written into it. Raises HostError without a stdout.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    # Python has None for what was closed, whatever the types say.
    is_closed = not sys.stdout
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode))
    if isinstance(sys.stdout, TextIOWrapper):
        # Names of files are bytes: what is no text leaves as it came.
        sys.stdout.reconfigure(errors="surrogateescape")
    if is_closed:
        raise HostError("stdout is closed: the result has nowhere to go", hint="redirect it, to /dev/null if need be")


@contextmanager
def _flushing_results() -> Iterator[None]:
    """What was printed has been written when the block ends. Raises HostError where it cannot be."""
    try:
        yield
    except SystemExit:
        # argparse's way to end after --help and --version
        write_result("")
    else:
        write_result("")


def write_result(text: str) -> None:
    """Write to stdout, now. Raises HostError where that fails: the reader has gone, the disk is full."""
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            # No character of this locale, and no byte either.
            sys.stdout.write(text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))
        sys.stdout.flush()
    except OSError as error:
        raise _lost(error) from error


def _lost(error: OSError) -> HostError:
    # Python would try once more at its exit, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return HostError(f"the result cannot be written to stdout: {error.strerror}")


def _drop_lost_messages() -> None:
    """What stderr could not take is given up. Python would try once more at its exit, and make its status 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


# ------------------------------------------------------------------ progress, log, signals


@contextmanager
def _showing_progress(*, as_json: bool, is_quiet: bool) -> Iterator[None]:
    if is_quiet and not as_json:
        yield
        return
    with _view(as_json=as_json) as view:
        progress.add_view(view)
        try:
            yield
        finally:
            progress.remove_view(view)


def _view(*, as_json: bool) -> AbstractContextManager[progress.View]:
    if as_json:
        return nullcontext(progress.json_view(sys.stderr))
    if can_be_live(sys.stderr, os.environ):
        return live_view(sys.stderr)
    return nullcontext(progress.plain_view(sys.stderr))


class _Stderr:
    """stderr as it is when something is logged: a view that draws may have taken its place."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"kind": "log", "level": record.levelname.lower(), "text": super().format(record)})


def _set_up_logging(level: int, *, as_json: bool) -> None:
    handler = logging.StreamHandler(_Stderr())
    if as_json:
        handler.setFormatter(_JsonFormatter("%(message)s" if level < 4 else "%(name)s: %(message)s"))
    else:
        form = "%(name)s %(levelname)s: %(message)s" if level >= 4 else "%(levelname)s: %(message)s"
        handler.setFormatter(logging.Formatter(form))
    # A log that cannot be written is no reason to end, nor to say so on the same stream.
    logging.raiseExceptions = False
    logging.basicConfig(handlers=[handler], level=_LEVELS[level])
    if level < 4:
        for library in ("paramiko", "urllib3"):
            logging.getLogger(library).setLevel(max(_LEVELS[level], logging.WARNING))


def _catch_signals() -> None:
    """Ctrl-C, SIGTERM and SIGHUP end the program through its context managers, unless (nohup) they are to be ignored.

    The first one does; those after it would break off the cleaning up. SIGQUIT always ends it, as SIGKILL does.
    """
    for number in _ENDS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _terminate)


def _terminate(signal_number: int, frame: FrameType | None) -> NoReturn:
    for number in _ENDS:
        if signal.getsignal(number) != signal.SIG_IGN:
            # Not SIG_IGN: the programs that clean up for us would inherit it.
            signal.signal(number, _ignore)
    if signal_number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(signal_number)


def _ignore(signal_number: int, frame: FrameType | None) -> None:
    pass
