"""What installers say: each pattern knows its own line, and no other's, nor any of an installation that went well."""

import gzip
import time
from pathlib import Path

import pytest
from scripted import FakeClock, ScriptedDomain

from oz.errors import InstallError
from oz.failures import Listener, Saying, load
from oz.host.waiting import wait_boot
from oz.protocols import Domain, DomainEvent

SAYINGS = load()
FAILURES = [saying for saying in SAYINGS if saying.severity in ("fatal", "warning")]
ANSWER = "# ours\nd-i partman/confirm boolean true\n"


def listener(installer: str = "debian-installer") -> Listener:
    return Listener(installer, "preseed.cfg", ANSWER)


def replay(*lines: str, installer: str = "debian-installer", port: str = "log", at_s: float = 30) -> str:
    """What a boot that says these lines, one a second, ends with."""
    clock = FakeClock()
    script = [(at_s + n, DomainEvent(kind="log" if port == "log" else "console", text=x)) for n, x in enumerate(lines)]
    domain: Domain = ScriptedDomain(clock, script)
    with pytest.raises(InstallError, match=r".") as caught:
        wait_boot(domain, reboots=0, limit_s=900, inactivity_s=900, clock=clock, on_line=listener(installer).hear)
    return f"{caught.value.message} | {caught.value.hint} @{clock.now - 1000:.0f}"


def test_there_are_enough_of_them_each_with_its_source() -> None:
    assert len(FAILURES) >= 60
    assert all(saying.source and saying.sample and saying.hint and saying.cause for saying in SAYINGS)
    assert {saying.severity for saying in SAYINGS} == {"fatal", "warning", "name", "step"}


@pytest.mark.parametrize("saying", SAYINGS, ids=lambda saying: f"{saying.installer}-{saying.cause[:40]}")
def test_a_pattern_knows_its_own_line_and_no_other_kinds(saying: Saying) -> None:
    assert saying.pattern.search(saying.sample)
    for other in SAYINGS:
        is_heard = saying.installer in (other.installer, "*") or other.installer == "*"
        if is_heard and other.kind != saying.kind and saying.kind != "error":
            assert not saying.pattern.search(other.sample), other.sample


@pytest.mark.parametrize("saying", FAILURES, ids=lambda saying: f"{saying.installer}-{saying.cause[:40]}")
def test_a_line_that_is_said_ends_the_boot_at_once_or_is_remembered(saying: Saying) -> None:
    installer = "debian-installer" if saying.installer == "*" else saying.installer
    if saying.severity == "fatal":
        found = replay("all is well", saying.sample, installer=installer)
        assert found.endswith("@31") and saying.cause in found and saying.hint in found
        assert "(31 s after its start)" in found
        return
    heard = listener(installer)
    assert heard.hear("log", saying.sample) is None
    assert heard.warnings == {saying.cause: saying.sample}


def test_an_installation_that_went_well_says_none_of_it() -> None:
    """Console and syslog of a whole installation of Debian 13."""
    lines = gzip.decompress((Path(__file__).parent / "data/debian-13.log.gz").read_bytes()).decode().splitlines()
    assert len(lines) > 4000
    for line in lines:
        for saying in FAILURES:
            assert not saying.pattern.search(line), (saying.pattern.pattern, line)
    steps = [saying for saying in SAYINGS if saying.severity == "step" and saying.installer == "debian-installer"]
    assert len([line for line in lines if steps[0].pattern.search(line)]) == 17


def test_a_question_is_named_with_the_line_of_the_answer_file() -> None:
    found = replay("Write the changes to disks?", "  1: Yes", "Prompt: '?' for help, default=2>", port="console")
    assert "'Write the changes to disks?' (partman/confirm)" in found and "its line 2 is about it" in found
    found = replay("Set up users", "------------", "Root password:", port="console")
    assert "(passwd/root-password)" in found and "preseed.cfg has no line for it" in found
    found = replay("Odd matters", "-----------", "Which?", "Prompt: '?' for help>", port="console")
    assert "does not answer: 'Odd matters' (33 s" in found


def test_hostile_lines_take_no_time() -> None:
    pieces = (
        "Unable to install ",
        "error: file `",
        "Could not find kernel image: ",
        "Installing a (1/",
        "-",
        "a",
        " ",
        "[",
        "'",
    )
    heard = listener()
    start = time.process_time()
    count = 0
    for piece in pieces:
        for line in (piece * 5000, piece + "a" * 100_000, piece + " " * 100_000):
            heard.hear("console", line)
            count += 1
    assert (time.process_time() - start) / count < 0.05
