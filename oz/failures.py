"""What installers say, understood: failures, questions, steps and how far they are, by oz/guests/failures.tsv."""

import re
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, cast

from oz.progress import line as tell_line
from oz.progress import stage
from oz.redaction import redact

_TABLE = Path(__file__).parent / "guests" / "failures.tsv"
_LINE_MAX = 1000
_SCREEN_LINES = 40
"""How far back on the console the words of a question are looked for."""
_WARNINGS_MAX = 5
_STAGES_MAX = 20_000
_LOG_STANDS_S = 20.0
_ANY = "*"
_HEADING = re.compile("-{4,}")
"""What is under one."""
_SAME = "-"

Severity = Literal["fatal", "warning", "name", "error", "step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """A kind of line that an installer writes."""

    installer: str
    severity: Severity
    kind: str
    pattern: re.Pattern[str]
    cause: str
    """Of one with the severity "name", what the installer calls the question; of a "step", its name, or _SAME."""
    hint: str
    source: str
    sample: str


@cache
def load() -> tuple[Saying, ...]:
    """The whole table."""
    rows = [line.split("\t") for line in _TABLE.read_text().splitlines() if not line.startswith("#")]
    return tuple(
        Saying(
            installer=installer,
            severity=cast(Severity, severity),
            kind=kind,
            pattern=re.compile(pattern),
            cause=cause,
            hint=hint,
            source=source,
            sample=sample,
        )
        for installer, severity, kind, pattern, cause, hint, source, sample in rows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Where an installer is, by its own words alone: a step, `n` of `m` things, the fraction of the step done."""

    step: str = ""
    n: int = 0
    m: int = 0
    fraction: float | None = None

    def after(self, saying: Saying, said: dict[str, str | None]) -> "_Stage":
        """The next one, by a line that says so."""
        step = said.get("step") or (self.step if saying.cause == _SAME else saying.cause)
        now = self if step == self.step else _Stage(step=step)
        n, m = int(said.get("n") or 0), int(said.get("m") or 0)
        if said.get("percent"):
            return replace(now, n=0, m=0, fraction=min(int(said["percent"] or 0), 100) / 100)
        if n and m:
            return replace(now, n=min(n, m), m=m, fraction=min(n / m, 1.0))
        # A step has several batches of packages: how far one of them is does not tell how far the step is.
        if saying.kind == "total" and now.fraction is None:
            return replace(now, n=0, m=m)
        if saying.kind == "item" and now.n < now.m:
            return replace(now, n=now.n + 1)
        return now


class Listener:
    """Hears an installer's lines, in order: its steps become progress, its warnings are remembered."""

    def __init__(self, installer: str, answer_name: str, answer: str) -> None:
        mine = [saying for saying in load() if saying.installer in (_ANY, installer)]
        self._sayings = [saying for saying in mine if saying.severity not in ("name", "error")]
        self._names = [saying for saying in mine if saying.severity == "name"]
        self._errors = [saying for saying in mine if saying.severity == "error"]
        self._answer_name = answer_name
        self._answer = answer
        self._screen: deque[str] = deque(maxlen=_SCREEN_LINES)
        self._logged_at = float("-inf")
        self._stage = _Stage()
        self._stages_left = _STAGES_MAX
        self.warnings: dict[str, str] = {}
        """Cause to the line that told it."""
        self.is_over = False
        """Nothing that is heard is a failure any more, but what keeps the machine from powering itself off."""

    def hear(self, port: str, line: str) -> tuple[str, str] | None:
        """What has failed, with the line that says so, and what to do about it; None as long as nothing has."""
        line = line[:_LINE_MAX]
        self._tell_line(port, line)
        if port == "console":
            self._screen.append(line)
        for saying in self._sayings:
            match = saying.pattern.search(line)
            if match is None:
                continue
            if saying.severity == "fatal":
                return None if self.is_over and saying.kind != "panic" else self._fail(saying, line)
            if saying.severity == "step":
                self._tell(self._stage.after(saying, match.groupdict()))
            elif len(self.warnings) < _WARNINGS_MAX:
                self.warnings.setdefault(saying.cause, redact(line.strip()))
        return None

    def _tell_line(self, port: str, line: str) -> None:
        """What the log says is more than what the console repeats: its numbers, a clock."""
        now = time.monotonic()
        if port == "log":
            self._logged_at = now
        if port == "log" or now - self._logged_at > _LOG_STANDS_S:
            tell_line(redact(line))

    def _tell(self, now: "_Stage") -> None:
        if now != self._stage and self._stages_left > 0:
            self._stage = now
            self._stages_left -= 1
            stage(now.step, n=now.n, m=now.m, fraction=now.fraction)

    def _fail(self, saying: Saying, line: str) -> tuple[str, str]:
        if saying.kind != "question":
            return f"{saying.cause}: {redact(line.strip())!r}", saying.hint
        if error := self._shown_error():
            return error
        words, name = self._question(line)
        what = f"{saying.cause}: {redact(words or line.strip())!r}"
        if name is None:
            return what, saying.hint
        numbers = [
            str(number) for number, text in enumerate(self._answer.splitlines(), 1) if re.search(rf"\b{name}\b", text)
        ]
        has = f"its line {' and '.join(numbers)} is about it" if numbers else f"{self._answer_name} has no line for it"
        return f"{what} ({name})", f"{saying.hint}: {has}"

    def _shown_error(self) -> tuple[str, str] | None:
        """An error that the console shows below its last heading, with the words under it, and what to do about it."""
        lines = [line.strip() for line in self._screen]
        for number in range(len(lines) - 1, -1, -1):
            for saying in self._errors:
                if saying.pattern.search(lines[number]):
                    words = " ".join(filter(None, lines[number:-1]))
                    return f"{saying.cause}: {redact(words[:_LINE_MAX])!r}", saying.hint
            if _HEADING.fullmatch(lines[number]):
                break
        return None

    def _question(self, asked: str) -> tuple[str, str | None]:
        """The words of the question that was asked, or that the console shows, and its name; the last that is known."""
        for line in (asked, *reversed(self._screen)):
            for saying in self._names:
                if saying.pattern.search(line):
                    return line.strip(), saying.cause
        lines = list(self._screen)
        for number in range(len(lines) - 1, 0, -1):
            if _HEADING.fullmatch(lines[number].strip()):
                return lines[number - 1].strip(), None
        return "", None
