"""Keeps oz/guests/proofs.tsv: what tests prove about releases is recorded by `pytest --record-proofs`, and checked by
every other run. A test calls its fixture `proof` when it has proved something, as its last act.

Rows travel in a report's user_properties, from the workers of pytest-xdist too.
"""

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest
from plans import can_be_planned, sample_tdl

from oz.model import Settings
from oz.proofs import KINDS, Proof, load, to_text

_PROPERTY = "proof"


def add_option(parser: pytest.Parser) -> None:
    parser.addoption("--record-proofs", action="store_true", help="write what tests prove to oz/guests/proofs.tsv")


def configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Keeper(config), "oz-proofs")


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Callable[[str, str, str, str, str, str], None]:
    """Says that the test has proved this: kind, distribution, version, architecture, install type, firmware."""

    def say(kind: str, distro: str, version: str, arch: str, install_type: str, firmware: str) -> None:
        assert kind in KINDS, f"{kind!r} is no kind of proof: {KINDS}"
        request.node.user_properties.append((_PROPERTY, [distro, version, arch, install_type, firmware, kind]))

    return say


def proofs_of(test: str, properties: Collection[tuple[str, object]]) -> list[Proof]:
    """What a test said, by its report."""
    rows = [values for name, values in properties if name == _PROPERTY and isinstance(values, list)]
    names = ("distro", "version", "arch", "install_type", "firmware", "kind")
    return [Proof(**dict(zip(names, row, strict=True)), test=test) for row in rows]


def disagreement(known: Collection[Proof], test: str, said: Collection[Proof]) -> str | None:
    """How what a test has proved by an oracle differs from what is recorded."""
    recorded, proved = {row.what for row in known}, {row.what for row in said if row.kind == "oracle"}
    lost = {row.what for row in known if row.test == test and row.kind == "oracle"} - proved
    words = [f"recorded, and not proved any more: {' '.join(row)}" for row in sorted(lost)]
    words += [f"proved, and not recorded: {' '.join(row)}" for row in sorted(proved - recorded)]
    return "\n".join([*words, "pytest --record-proofs records what is proved now"]) if words else None


def merge(
    known: Collection[Proof], passed: Mapping[str, Collection[Proof]], failed: Collection[str], root: Path
) -> list[Proof]:
    """What is proved after a run: all that tests said in it; and of what was known, what no test of this run had to
    prove again and some test still can."""
    kept = [row for row in known if row.test not in passed and row.test not in failed and _can_be_proved(row, root)]
    said = [row for rows in passed.values() for row in rows]
    # What several tests prove stays with the one that is recorded, else goes to the first by name: later ones win here.
    said.sort(key=lambda row: (row not in known, row.test), reverse=True)
    return list({row.what: row for row in (*kept, *said)}.values())


def _can_be_proved(row: Proof, root: Path) -> bool:
    """Whether the test is still there, and what it proved can still be planned."""
    path, _, name = row.test.partition("::")
    with contextlib.suppress(OSError):
        function = re.escape(name.rpartition("::")[2].partition("[")[0])
        tdl = sample_tdl(row.version, row.arch, row.install_type, distro=row.distro)
        firmware = "efi" if row.firmware == "efi" else "bios"
        is_there = re.search(rf"^ *def {function}\(", (root / path).read_text(), re.MULTILINE)
        return bool(is_there) and can_be_planned(tdl, Settings(firmware=firmware))
    return False


class Keeper:
    """Plugin: collects what is proved where the results come together, checks it where the tests run."""

    def __init__(self, config: pytest.Config) -> None:
        self.root = config.rootpath
        self.path = self.root / "oz/guests/proofs.tsv"
        self.known = load(self.path)
        self.recorded = {row.test for row in self.known}
        self.is_recording = bool(config.getoption("--record-proofs"))
        self.passed: dict[str, list[Proof]] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        report: pytest.TestReport = yield  # type: ignore[misc, assignment]
        if report.when == "call" and report.passed and not self.is_recording:
            said = proofs_of(report.nodeid, report.user_properties)
            concerns_us = bool(said) or report.nodeid in self.recorded
            if concerns_us and (words := disagreement(self.known, report.nodeid, said)):
                report.outcome, report.longrepr = "failed", words
        return report  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed[report.nodeid] = proofs_of(report.nodeid, report.user_properties)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        passed = {test: rows for test, rows in self.passed.items() if test not in self.failed}
        if self.is_recording:
            rows = merge(self.known, passed, self.failed, self.root)
            self.path.write_text(to_text(rows), encoding="utf-8")
            before, after = ({row.what for row in some} for some in (self.known, rows))
            said = f"{len(after)} rows, {len(after - before)} new, {len(before - after)} gone"
            terminalreporter.write_line(f"{self.path.relative_to(self.root)}: {said}")
            return
        recorded = {row.what for row in self.known}
        news = {row.what for rows in passed.values() for row in rows} - recorded
        if news:
            terminalreporter.write_line(f"{len(news)} proofs are not recorded: pytest --record-proofs")
