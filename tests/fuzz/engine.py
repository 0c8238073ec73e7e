"""Inputs without end for one target, within limits of time and memory, and what became of them.

Hypothesis puts pieces into seeds; then atheris, which follows the paths through our code that an input takes, or where
it is not installed a plain mutator, changes bytes. The seed decides all but atheris's pace.
"""

import json
import random
import resource
import signal
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from oz.errors import OzError

LIMIT_S = 5
LIMIT_BYTES = 512 * 1024**2
WRITES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate"}
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
Seeds = list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    name: str
    run: Callable[[bytes, Path], str]
    """Feeds an input, with a directory for files; the text that a terminal would get of it."""
    seeds: Callable[[Path], Seeds]
    words: tuple[bytes, ...] = ()
    """What readers of the format look for."""


def texts(*data: bytes) -> Callable[[Path], Seeds]:
    """Seeds that need no file."""
    return lambda folder: list(data)


def is_harmful(char: str) -> bool:
    """To a terminal: it is a control character, ends a line where none seems to end, or turns the direction of text."""
    kind = unicodedata.category(char)
    return char not in "\n\t" and (kind in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(char) in TURNS)


class Hang(BaseException):
    """An input took longer than the limit."""


class Trial:
    """The inputs of a target one by one, and a report of them in a file that a death does not lose."""

    def __init__(self, target: Target, folder: Path, report: Path) -> None:
        self.target, self.folder, self.report = target, folder, report
        self.inputs, self.worst_s = 0, 0.0
        self.failures: dict[str, str] = {}
        self._allowed: tuple[str, ...] = (str(folder), "/dev/null")
        self._is_watching = False
        sys.addaudithook(self._watch)
        signal.signal(signal.SIGALRM, self._stop)

    def feed(self, data: bytes) -> None:
        """Try one input. Whatever is wrong is noted once for each place in the code, and its input kept."""
        self.inputs += 1
        start = time.monotonic()
        # kept before it runs: also one that kills the process is known afterwards
        (self.folder / "input").write_bytes(data)
        signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
        try:
            self._is_watching = True
            shown = self.target.run(data, self.folder)
            harmful = [char for char in shown if is_harmful(char)]
            assert not harmful, f"not harmless: {harmful[:20]!a}"
        except OzError:
            pass
        except (Exception, Hang) as error:
            self._is_watching = False
            self._note(error, data)
        finally:
            self._is_watching = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.worst_s = max(self.worst_s, time.monotonic() - start)
        if self.inputs % 20 == 0:
            self.save()

    def save(self) -> None:
        usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        worst = max(usage) * 1024
        if worst > LIMIT_BYTES:
            self.failures.setdefault("memory", f"{worst // 1024**2} MiB")
        record = {"inputs": self.inputs, "worst_s": self.worst_s, "bytes": worst, "failures": self.failures}
        self.report.with_suffix(".new").write_text(json.dumps(record))
        self.report.with_suffix(".new").replace(self.report)

    def _note(self, error: BaseException, data: bytes) -> None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        key = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        if key not in self.failures:
            kept = self.report.with_name(f"{self.target.name}-{sha256(data).hexdigest()[:8]}")
            kept.write_bytes(data)
            self.failures[key] = f"{str(error)[:200]!a}; input: {kept}"

    def _stop(self, *_: object) -> None:
        raise Hang(f"over {LIMIT_S} s")

    def _watch(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._is_watching:
            return
        path = arguments[0] if arguments else None
        is_write = event in WRITES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3)
        # a relative one is what rmtree finds in a directory that it has opened; the phases use absolute paths
        is_ours = not str(path).startswith("/") or str(path).startswith(self._allowed)
        if is_write and isinstance(path, str | Path) and not is_ours:
            raise AssertionError(f"{event} outside its folder: {path}")


def limit_memory() -> None:
    """From here on this process gets so much more memory, and no more."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + LIMIT_BYTES, resource.RLIM_INFINITY))


def by_pieces(trial: Trial, seeds: Seeds, seed: int, *, end: float, most: int) -> None:
    """Pieces put into seeds in place of some bytes, by hypothesis; a batch after the other until the time is up."""
    words = st.sampled_from(trial.target.words or (b"",))
    piece = st.one_of(words, words, st.text(max_size=12).map(str.encode), st.integers().map(lambda n: b"%d" % n))
    many = st.tuples(piece, st.integers(1, 3000)).map(lambda pair: pair[0] * pair[1])
    cut = st.tuples(st.floats(0, 1), st.integers(0, 40), st.one_of(piece, piece, many))

    def put(base: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
        for share, length, new in cuts:
            at = int(share * len(base))
            base = base[:at] + new + base[at + length :]
        return base

    inputs = st.builds(put, st.sampled_from(seeds), st.lists(cut, min_size=1, max_size=12))
    quiet = hypothesis.settings(
        max_examples=min(100, most), database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    batch = 0
    while time.monotonic() < end and batch * 100 < most:

        def try_one(data: bytes) -> None:
            if time.monotonic() < end:
                trial.feed(data)

        hypothesis.seed(seed + batch)(quiet(hypothesis.given(inputs)(try_one)))()
        batch += 1


def by_bytes(trial: Trial, seeds: Seeds, seed: int, *, end: float, most: int) -> None:
    """Bytes changed, moved, doubled and cut off."""
    chance = random.Random(seed)
    last = trial.inputs + most
    while time.monotonic() < end and trial.inputs < last:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(5):
                case 0:
                    data[at : at + 1] = bytes([chance.choice((0, 1, 0x1B, 0x7F, 0x80, 0xFF, chance.randrange(256)))])
                case 1:
                    data[at : at + 4] = chance.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)).to_bytes(4, "little")
                case 2:
                    data[at:at] = data[at : at + chance.randrange(64)] * chance.choice((1, 2, 100))
                case 3:
                    del data[at : at + chance.choice((1, 4, 64, len(data)))]
                case _:
                    data[at:at] = chance.choice(trial.target.words or (b"\0",))
        trial.feed(bytes(data))


def by_atheris(trial: Trial, seeds: Seeds, seed: int, *, end: float, most: int) -> None:
    """By coverage. Does not return: libFuzzer ends the process."""
    import atheris

    corpus = trial.folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds):
        (corpus / str(number)).write_bytes(data)
    words = trial.folder / "words"
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in trial.target.words))
    seconds = max(1, int(end - time.monotonic()))
    options = [f"-seed={seed % 2**31 or 1}", f"-max_total_time={seconds}", f"-runs={most}", f"-dict={words}"]
    largest = max(map(len, seeds)) + 4096
    with suppress(SystemExit):
        atheris.Setup(["fuzz", *options, f"-max_len={largest}", "-rss_limit_mb=0", str(corpus)], trial.feed)
        atheris.Fuzz()
