"""What a user sees when an installer or an installed system fails, by each way that stand-ins fail on demand."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from guest.standins import NEEDS, Ground, Standin

pytestmark = [pytest.mark.guests, pytest.mark.timeout(900), NEEDS]

DEBIAN = Standin(distro="Debian", version="13")
INACTIVITY_S = 30
INSTALLING = {
    "hang": (7, rf"showed no activity for {INACTIVITY_S} s", "stand-in installer of Debian 13 at work"),
    "busy": (7, rf"showed no activity for {INACTIVITY_S} s", "stand-in installer of Debian 13 at work"),
    "panic": (7, r"the guest crashed: the guest's kernel panicked", "entry_SYSCALL"),
    "reboot": (7, r"the guest reset itself, which was not expected", "stand-in installer of Debian 13 at work"),
    "power-off": (7, r"powered off after \d+ s without its marker", "partitioning /dev/vda"),
    "wrong-nonce": (7, r"powered off after \d+ s with a wrong marker", "running 96oz-done"),
    "fatal": (7, rf"showed no activity for {INACTIVITY_S} s", "FATAL: Installation failed: package kernel"),
    "fill-disk": (7, rf"showed no activity for {INACTIVITY_S} s", "FATAL: No space left on device"),
}
"""Way to fail: exit status, what the message says, what the lines of the console in it show."""
SHUTDOWN_S, BOOT_S = 10, 60
RUNNING = {
    "no-ssh": (6, rf"no ssh login at .* within {BOOT_S} s", "does the guest run sshd"),
    "other-host-key": (6, r"is not the guest that was installed|no algorithm in common", "hint: "),
    "late-ssh": (0, r"Wait for ssh: done", ""),
    "drop-connection": (6, r"command wait|connection", ""),
    "no-power-off": (6, rf"did not power off within {SHUTDOWN_S} s", "look at its console"),
}
"""The same for an installed system that is customized; last, what the hint says."""
WAIT = '<commands><command name="wait">touch /tmp/working; sleep 20; echo waited</command></commands>'
_ROOT_OFFSET = 8192 * 512


@pytest.fixture(scope="module")
def ground(short_dir: Path, capabilities_cache: Path) -> Ground:
    limits = {"timeouts_inactivity": str(INACTIVITY_S), "timeouts_shutdown": str(SHUTDOWN_S)}
    return Ground(short_dir / "failing", capabilities_cache, **limits)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest):
    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {text}")

    return say


@pytest.mark.parametrize("fail", INSTALLING)
def test_an_installer_that_fails_is_noticed(fail: str, ground: Ground, tell) -> None:
    status, message, shown = INSTALLING[fail]
    argument = f"<kernelparam>standin.fail={fail}</kernelparam>"
    with ground.template(DEBIAN, fail, os=argument) as template:
        run = ground.install(DEBIAN, template, "-t", "200")
    assert run.status == status, run.stderr
    assert re.search(message, run.stderr), run.stderr
    assert "\n  hint: " in run.stderr and "phase: install, from cdrom" in run.stderr
    assert "Traceback" not in run.stderr
    lines = re.findall(r"^  \| (.*)$", run.stderr, re.MULTILINE)
    assert any(shown in line for line in lines), run.stderr
    screenshot = re.search(r"^screenshot: (\S+)$", run.stderr, re.MULTILINE)
    has_ended = fail in ("panic", "power-off", "wrong-nonce")
    assert screenshot or has_ended, run.stderr
    assert not ground.place.leftovers(fail)
    tell(f"noticed {run.seconds_of('Install'):.1f} s after the start")


@pytest.fixture(scope="module")
def installed(ground: Ground) -> Iterator[Path]:
    with ground.template(DEBIAN, "sound") as template:
        run = ground.install(DEBIAN, template, "-t", "200")
    assert run.status == 0, run.stderr
    yield ground.place.images / "sound.dsk"


@contextmanager
def spoilt(disk: Path, word: str) -> Iterator[None]:
    """The installed system fails in that way."""

    def edit(command: str) -> None:
        subprocess.run(
            ["debugfs", "-w", "-R", command, f"{disk}?offset={_ROOT_OFFSET}"], check=True, capture_output=True
        )

    file = disk.with_suffix(".word")
    file.write_text(word + "\n")
    edit(f"write {file} /etc/standin.fail")
    try:
        yield
    finally:
        edit("rm /etc/standin.fail")


@pytest.mark.parametrize("fail", RUNNING)
def test_a_system_that_fails_is_noticed(fail: str, ground: Ground, installed: Path, tell) -> None:
    status, message, hint = RUNNING[fail]
    template = ground.directory / f"c-{fail}.tdl"
    text = (ground.directory / "sound.tdl").read_text()
    template.write_text(text.replace("</template>", f"{WAIT}</template>"))
    limits = {"timeouts_boot": str(BOOT_S)} if fail == "no-ssh" else {}
    shutil.rmtree(ground.place.directory / "kept", ignore_errors=True)
    with spoilt(installed, fail):
        before = installed.read_bytes()
        run = ground.customize(template, installed.with_suffix(".xml"), **limits)
        assert status == 0 or installed.read_bytes() == before
    assert run.status == status, run.stderr
    assert re.search(message, run.stderr), run.stderr
    assert hint in run.stderr
    assert "Traceback" not in run.stderr
    tell(f"known after {run.seconds:.1f} s, {run.seconds_of('Wait for ssh'):.1f} s of which for ssh")
