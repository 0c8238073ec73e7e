"""What is remembered of a build for its report: when each step began and ended, what the guest did, what it showed.

Everything stays in memory, and within bounds, until somebody writes it down.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oz.model import Drive, Machine
from oz.progress import ProgressEvent
from oz.protocols import Counters, Domain

FRAMES_MAX = 24
SAMPLES_MAX = 600
_FIRST_GAP_S = 5.0


@dataclass(slots=True, kw_only=True)
class Phase:
    """A step, or a step within steps. Seconds count from the start of the build."""

    text: str
    depth: int
    start_s: float
    seconds: float | None = None
    """None while it goes on."""
    has_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a guest has done since it was started: totals, as Counters has them. `boot` counts its starts."""

    at_s: float
    boot: int
    disk_requests: int
    network_bytes: int
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    at_s: float
    picture: bytes
    """PNG or PPM."""


@dataclass(slots=True, kw_only=True)
class Recording:
    """Of one build. `view` takes the events of oz.progress; `look` is called whenever a guest is looked at."""

    directory: Path
    """Where a screenshot may lie for a moment."""
    monotonic: Callable[[], float] = time.monotonic
    started: float = 0.0
    """On the clock `monotonic`."""
    phases: list[Phase] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    boots: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    """What was found on the way, such as what the medium calls itself."""
    plan: str = ""
    answer_name: str = ""
    answer: str = ""
    """With placeholders for secrets, as the plan."""
    secrets: list[str] = field(default_factory=list, repr=False)
    machine: Machine | None = None
    """The last that was started."""
    image: Drive | None = None
    """What was made or worked on."""
    previous: dict[str, Any] | None = None
    """What the last build of the name said of itself, as oz.report reads it."""
    _gap_s: float = _FIRST_GAP_S
    _last_digest: bytes = b""
    _last_at_s: float = -_FIRST_GAP_S

    def __post_init__(self) -> None:
        self.started = self.monotonic()

    @property
    def elapsed_s(self) -> float:
        return self.monotonic() - self.started

    def view(self, event: ProgressEvent) -> None:
        if event.kind == "begin":
            self.phases.append(Phase(text=event.text, depth=event.depth, start_s=self.elapsed_s))
        elif event.kind == "note":
            self.notes.append(event.text)
        elif event.kind in ("end", "fail"):
            for phase in reversed(self.phases):
                if phase.seconds is None and (phase.text, phase.depth) == (event.text, event.depth):
                    phase.seconds, phase.has_failed = event.seconds, event.kind == "fail"
                    return

    def begin_boot(self, machine: Machine) -> None:
        self.boots += 1
        self.machine = machine

    def look(self, domain: Domain, counters: Counters) -> None:
        """Add a sample, and a picture of the screen if it is time for one and shows something new. Of what becomes too
        much, every other one is dropped."""
        at_s = self.elapsed_s
        self.samples.append(
            Sample(
                at_s=at_s,
                boot=self.boots,
                disk_requests=counters.disk_requests,
                network_bytes=counters.network_bytes,
                cpu_s=counters.cpu_s,
            )
        )
        if len(self.samples) > SAMPLES_MAX:
            del self.samples[1:-1:2]
        if at_s - self._last_at_s >= self._gap_s:
            self.take_picture(domain)

    def take_picture(self, domain: Domain) -> None:
        """Add a picture of what the screen shows now, unless it is the last one's."""
        self._last_at_s = self.elapsed_s
        saved = domain.screenshot(self.directory / "screen")
        if saved is None:
            return
        picture = saved.read_bytes()
        saved.unlink()
        digest = hashlib.sha256(picture).digest()
        if digest == self._last_digest:
            return
        self._last_digest = digest
        self.frames.append(Frame(at_s=self._last_at_s, picture=picture))
        if len(self.frames) > FRAMES_MAX:
            del self.frames[1:-1:2]
            self._gap_s *= 2
