"""Attacks: each that docs/security.md names has its test; and short fuzzing with a fixed seed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree
from test_domain import VARIANTS

from oz.domain import domain_xml

ROOT = Path(__file__).parent.parent


def test_each_test_that_the_table_of_attacks_names_is_there() -> None:
    rows = [line for line in (ROOT / "docs/security.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 21
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row.rpartition(" | ")[2])
        assert named, row
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text())
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (path, name)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_no_port_of_a_running_guest_is_open_to_others(name: str) -> None:
    """Console, marker and screen are sockets at the paths given, whose directory is private."""
    root = etree.fromstring(domain_xml(VARIANTS[name]))
    ports = root.findall("devices/serial") + root.findall("devices/console") + root.findall("devices/channel")
    assert ports and {port.get("type") for port in ports} <= {"unix", "pty"}
    screens = root.findall("devices/graphics")
    assert all(screen.get("port") is None and screen.get("listen") is None for screen in screens)
    listeners = [each for screen in screens for each in screen.findall("listen")]
    assert {each.get("type") for each in listeners} <= {"socket"}
    assert all(screen.get("socket") or screen.findall("listen") for screen in screens)


def test_hostile_inputs_end_in_errors_of_ours(tmp_path: Path) -> None:
    words = ["--plain", "--seed", "1", "--inputs", "8", "--seconds", "4", "--keep", str(tmp_path)]
    done = subprocess.run([sys.executable, ROOT / "tests/fuzz/run.py", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\n\d{2,} inputs, 0 failures\n\Z", done.stdout), done.stdout


def test_an_input_that_fails_is_told_and_kept(tmp_path: Path) -> None:
    """The harness itself: what raises, shows an escape, or writes elsewhere is a failure each."""
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        f"sys.path[:0] = [{str(ROOT / 'tests/fuzz')!r}, {str(ROOT)!r}]\n"
        "from pathlib import Path\nimport engine\n"
        "def run(data, folder):\n"
        "    if data == b'raise': raise KeyError(1)\n"
        f"    if data == b'write': open({str(tmp_path / 'elsewhere')!r}, 'w')\n"
        "    return data.decode()\n"
        "target = engine.Target(name='t', run=run, seeds=engine.texts())\n"
        f"folder = Path({str(tmp_path)!r}) / 'in'\nfolder.mkdir()\n"
        f"trial = engine.Trial(target, folder, Path({str(tmp_path)!r}) / 't.json')\n"
        "for data in (b'good', b'raise', b'write', b'\\x1b[2J'): trial.feed(data)\n"
        "print(trial.inputs, len(trial.failures), *trial.failures.values())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.stdout.startswith("4 3 "), done.stdout + done.stderr
    assert "outside its folder" in done.stdout and "not harmless" in done.stdout
    assert not (tmp_path / "elsewhere").exists() and len(list(tmp_path.glob("t-*"))) == 3
