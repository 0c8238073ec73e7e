"""The house stands on its floors: what the design says about imports, names and who may do what, read with ast."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OZ = ROOT / "oz"
MODULES = sorted(OZ.rglob("*.py"))

FLOORS: dict[str, float] = {
    "": 0,
    "errors": 0,
    "units": 0,
    "redaction": 0,
    "model": 1,
    "protocols": 1.5,
    "progress": 1,
    "live": 2,
    "config": 2,
    "cpio": 2,
    "checksums": 2,
    "iso9660": 2,
    "marks": 2,
    "proofs": 2,
    "failures": 2,
    "handoff": 2,
    "render": 2,
    "domain": 2,
    "tdlvalues": 2.0,
    "tdlxml": 2.1,
    "tdlgrammar": 2.2,
    "tdlpartitions": 2.3,
    "tdl": 2.4,
    "guests": 3,
    "host": 4,
    "recording": 2,
    "report": 4.5,
    "build": 5.0,
    "inspection": 5.0,
    "media": 5.1,
    "session": 5.1,
    "account": 5.2,
    "dryrun": 5.1,
    "manifest": 5.2,
    "customize": 5.3,
    "jeos": 5.4,
    "install": 5.5,
    "completion": 5.9,
    "arguments": 6.0,
    "process": 6.1,
    "results": 6.2,
    "cli": 6.3,
}
"""Every module and package directly below oz. A fraction orders the rooms of one floor."""

HOST_GROUND = {"durable", "locks", "processes"}
"""What all modules of oz/host may use; else they do not know each other."""

OWNERS = {
    "libvirt": {"host.hypervisor"},
    "libvirt_qemu": {"host.hypervisor"},
    "paramiko": {"host.ssh"},
    "pycdlib": {"host.iso"},
    "requests": {"host.fetch"},
    "passlib": {"host.access"},
    "jinja2": {"render"},
    # hypervisor reads the XML that libvirt answers with.
    "lxml": {"tdl", "domain", "manifest", "host.hypervisor", "host.osinfo"},
    "rich": {"live"},
    "dissect": {"manifest", "host.offline"},
}
"""The only modules that import a library; foreign exceptions end there."""

SYSTEMS = re.compile(
    r"\b(debian|ubuntu|fedora|centos|rhel|red ?hat|(open)?suse|sles|mandrake|mandriva|mageia|windows|freebsd)\b",
    re.IGNORECASE,
)


def module_of(path: Path) -> tuple[str, ...]:
    """("host", "fetch", "urls") of oz/host/fetch/urls.py; packages are their own name."""
    parts = path.relative_to(OZ).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def room_of(module: tuple[str, ...]) -> str:
    """The name by which a module is spoken of: "host.fetch", "tdl"."""
    return ".".join(module[:2]) if module[:1] == ("host",) else (module or ("",))[0]


def imports_of(path: Path) -> Iterator[tuple[str, ...]]:
    """Dotted names that a module imports, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            base = tuple((node.module or "").split("."))
            for alias in node.names:
                is_module = (ROOT.joinpath(*base, alias.name).with_suffix(".py")).exists() or (
                    ROOT.joinpath(*base, alias.name).is_dir()
                )
                yield (*base, alias.name) if base[0] == "oz" and is_module else base


by_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


@by_module
def test_a_module_imports_only_lower_floors(path: Path) -> None:
    module = module_of(path)
    top = (module or ("",))[0]
    assert top in FLOORS, f"oz/{top} has no floor yet: give it one in {Path(__file__).name}"
    for name in imports_of(path):
        if name[0] != "oz" or not name[1:]:
            continue
        other = name[1:]
        if other[0] != top:
            assert FLOORS[other[0]] < FLOORS[top], f"{'.'.join(module)} imports {'.'.join(name)}, which is not below it"
        elif top == "host" and other[1:] and other[1] != module[1]:
            assert other[1] in HOST_GROUND, f"{'.'.join(module)} imports its neighbour {'.'.join(name)}"


@by_module
def test_a_library_has_one_owner(path: Path) -> None:
    room = room_of(module_of(path))
    for name in imports_of(path):
        if name[0] in OWNERS:
            assert room in OWNERS[name[0]], f"{room} imports {name[0]}"


@by_module
def test_only_guests_know_systems_by_name(path: Path) -> None:
    if module_of(path)[:1] == ("guests",):
        return
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        words = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            words = node.value
        elif isinstance(node, ast.Name):
            words = node.id
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            words = node.name
        # A hint which package this host lacks is not about a guest.
        assert words.startswith("install ") or not SYSTEMS.search(words), (
            f"{path}:{getattr(node, 'lineno', 0)}: {words!r}"
        )


def calls_of(path: Path) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def test_only_the_real_clock_sleeps() -> None:
    sleepers = [
        path.relative_to(ROOT).as_posix() for path in MODULES for call in calls_of(path) if call == "time.sleep"
    ]
    assert sleepers == ["oz/protocols.py"]


def test_only_cli_prints() -> None:
    printers = {path.relative_to(ROOT).as_posix() for path in MODULES if "print" in calls_of(path)}
    assert printers <= {"oz/cli.py"}


@by_module
def test_a_module_stays_readable(path: Path) -> None:
    """Tables excepted: that of the releases, and that of the records."""
    lines = len(path.read_text().splitlines())
    assert lines <= 400 or path.name == "releases.py", f"{lines} lines: divide it by what it is about"


def test_every_floor_has_its_module() -> None:
    present = {(module_of(path) or ("",))[0] for path in MODULES}
    assert set(FLOORS) <= present | {"config"}, "a floor of a module that is gone"
