"""What installers say: each pattern knows its own line, and no other's, nor any of an installation that went well."""

import gzip
import time
from pathlib import Path

import pytest
from scripted import FakeClock, ScriptedDomain

from oz.errors import InstallError
from oz.failures import Listener, Saying, load
from oz.host.waiting import wait_boot
from oz.progress import ProgressEvent, add_view, remove_view
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
    assert len(FAILURES) >= 130
    assert all(saying.source and saying.sample and saying.hint and saying.cause for saying in SAYINGS)
    assert {saying.severity for saying in SAYINGS} == {"fatal", "warning", "name", "error", "step"}


@pytest.mark.parametrize("saying", SAYINGS, ids=lambda saying: f"{saying.installer}-{saying.cause[:40]}")
def test_a_pattern_knows_its_own_line_and_no_other_kinds(saying: Saying) -> None:
    assert saying.pattern.search(saying.sample)
    for other in SAYINGS:
        is_heard = saying.installer in (other.installer, "*") or other.installer == "*"
        if is_heard and other.kind != saying.kind and saying.severity != "error":
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


Told = list[tuple[str, int, int, float | None]]


def stages(lines: list[str], installer: str, port: str = "log") -> Told:
    """What these lines say of where the installer is, whenever that changes."""
    told: Told = []

    def view(event: ProgressEvent) -> None:
        if event.kind == "stage":
            told.append((event.text, event.n, event.m, event.fraction))

    heard = listener(installer)
    add_view(view)
    try:
        for line in lines:
            heard.hear(port, line)
    finally:
        remove_view(view)
    return told


def test_the_whole_installation_is_told_by_its_own_words() -> None:
    lines = gzip.decompress((Path(__file__).parent / "data/debian-13.log.gz").read_bytes()).decode().splitlines()
    console = lines[: next(number for number, line in enumerate(lines) if "syslogd started" in line)]
    told = stages(console, "debian-installer", "console")
    percents = [
        round(100 * fraction) for text, _, _, fraction in told if text == "Installing the base system" and fraction
    ]
    assert percents == sorted(percents) and percents[0] == 17 and percents[-1] >= 98 and len(percents) >= 15
    assert {text for text, *_ in told} >= {
        "Detecting link on eth0; please wait",
        "Configuring apt",
        "Finishing the installation",
    }
    # Every batch of packages comes to its end; of its step nothing is said, though.
    told = stages(lines[len(console) :], "debian-installer")
    batches = [(n, m) for _, n, m, fraction in told if m and fraction is None]
    ends = [pair for pair, after in zip(batches, [*batches[1:], (0, 0)], strict=True) if after[0] <= pair[0]]
    assert len(ends) > 10 and all(n == m for n, m in ends), ends


@pytest.mark.parametrize(
    ("installer", "lines", "last"),
    [
        ("anaconda", ["Installing libgcc.x86_64 (1/944)", "Installing zlib.x86_64 (2/944)"], (2, 944, 2 / 944)),
        ("anaconda", ["Downloading 471 RPMs, 37.2 MiB / 378.27 MiB (9%) done."], (0, 0, 0.09)),
        ("anaconda", ["Installing boot loader", "."], (0, 0, None)),
        ("anaconda", ["DEBUG transaction_progress: Installing - glibc-2.41-1.fc42.x86_64 (1024/2048)"], (0, 0, None)),
        ("autoyast", ["Loading Installation System (6/6) -      100%"], (6, 6, 1.0)),
        ("", ["(12/25) Installing busybox (1.35.0-r29)"], (12, 25, 12 / 25)),
        ("", ["( 9/120) installing glibc   [####] 100%", "(1/5) Creating system user accounts..."], (9, 120, 9 / 120)),
        ("debian-installer", ["A title  ... 200%"], (0, 0, 1.0)),
        ("anaconda", ["Installing a (9/3)"], (3, 3, 1.0)),
    ],
)
def test_what_is_said_is_told_and_no_more(
    installer: str, lines: list[str], last: tuple[int, int, float | None]
) -> None:
    assert stages(lines, installer)[-1][1:] == last


def test_the_last_line_is_of_the_log_while_that_says_something() -> None:
    lines: list[str] = []

    def view(event: ProgressEvent) -> None:
        lines.extend([event.text] if event.kind == "line" else [])

    heard = listener()
    add_view(view)
    try:
        heard.hear("console", "Linux version")
        heard.hear("log", "anna: retrieving http://user:secret@host/")
        heard.hear("console", "[ (1*installer)  2 shell ]")
    finally:
        remove_view(view)
    assert lines == ["Linux version", "anna: retrieving http://***@host/"]


def test_a_guest_that_names_steps_for_ever_is_no_longer_listened_to() -> None:
    lines = [f"main-menu[1]: INFO: Menu item 'a{number}' selected" for number in range(30_000)]
    assert len(stages(lines, "debian-installer")) == 20_000


def test_what_installers_say_when_all_is_well_ends_none() -> None:
    lines = (Path(__file__).parent / "data/harmless.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    installers = {saying.installer for saying in SAYINGS} - {"*", "windows-setup", "debian-installer"}
    assert {installer for installer, _, _ in rows} == installers
    for installer, source, line in rows:
        assert source and line
        for saying in SAYINGS:
            if saying.severity == "fatal" and saying.installer in ("*", installer):
                assert not saying.pattern.search(line), (saying.pattern.pattern, line)


def test_once_it_is_over_nothing_is_a_failure() -> None:
    heard = Listener("anaconda", "ks.cfg", "")
    assert heard.hear("console", "Unknown command: x")
    heard.is_over = True
    assert heard.hear("console", "Unknown command: x") is None
    assert heard.hear("console", "Kernel panic - not syncing: x")


@pytest.mark.parametrize(
    ("installer", "answer", "line", "name", "where"),
    [
        ("anaconda", "cdrom\n", "1) [x] Language settings   2) [!] Root password", "(rootpw)", "has no line for it"),
        ("anaconda", "part / --size=1\n", "3) [!] Installation Destination", "(part)", "its line 1 is about it"),
        ("subiquity", "#\nstorage: {}\n", "  Guided storage configuration    [ Help ]", "(storage)", "its line 2 is"),
        ("subiquity", "#\n", "  Profile configuration     [ Help ]", "(identity)", "has no line for it"),
        ("subiquity", "", "Continue with autoinstall? (yes|no)", "may begin", "the argument autoinstall"),
        ("autoyast", "<profile/>", "Import Untrusted GnuPG Key", "(signature-handling)", "has no line for it"),
    ],
)  # fmt: skip
def test_every_familys_question_is_named(installer: str, answer: str, line: str, name: str, where: str) -> None:
    heard = Listener(installer, "answer", answer)
    told = heard.hear("console", line)
    if "[!]" in line:
        # What is missing is marked before it is asked for.
        assert told is None
        told = heard.hear("console", "Please make a selection from the above: ")
    assert told and name in told[0] and where in told[1]


def test_a_question_is_named_with_the_line_of_the_answer_file() -> None:
    found = replay("Write the changes to disks?", "  1: Yes", "Prompt: '?' for help, default=2>", port="console")
    assert "'Write the changes to disks?' (partman/confirm)" in found and "its line 2 is" in found
    found = replay("Set up users", "------------", "Root password:", port="console")
    assert "(passwd/root-password)" in found and "preseed.cfg has no line for it" in found
    found = replay("Odd matters", "-----------", "Which?", "Prompt: '?' for help>", port="console")
    assert "does not answer: 'Odd matters' (33 s" in found


@pytest.mark.parametrize("installer", sorted({saying.installer for saying in SAYINGS} - {"*"}))
def test_hostile_lines_take_no_time(installer: str) -> None:
    pieces = (
        "Unable to install ",
        "error: file `",
        "Could not find kernel image: ",
        "Installing a (1/",
        "... 1%",
        "A  ... 1%... ",
        "A title, ",
        "Could not find the ",
        "E: Failed to fetch '",
        "ERROR: ",
        "WARNING: Ignoring http://",
        "agama-autoinstall",
        "pending issues: ",
        "SSH Setup  ",
        "-",
        "a",
        " ",
        "[",
        "'",
    )
    heard = listener(installer)
    start = time.process_time()
    count = 0
    for piece in pieces:
        for line in (piece * 5000, piece + "a" * 100_000, piece + " " * 100_000):
            heard.hear("console", line)
            count += 1
    assert (time.process_time() - start) / count < 0.05


def test_an_error_that_nobody_described_is_told_in_its_own_words() -> None:
    screen = (
        "Configure it",
        "------------",
        "",
        "!! ERROR: Something new",
        "It cannot go",
        "on.",
        "[Press enter to continue] ",
    )
    found = replay(*screen, port="console")
    assert "the installer stops at an error: '!! ERROR: Something new It cannot go on.'" in found
    assert "read the installer's log" in found
    answered = replay(*screen[:-1], "Next", "----", "What now?", "Prompt: '?' for help> ", port="console")
    assert "asks a question" in answered
