"""Options of the whole suite, and the one embedded libvirt that a process can have."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import figures
import proofs
import pytest
from figures import figure
from proofs import proof

if TYPE_CHECKING:
    from oz.host.hypervisor import LibvirtHypervisor

__all__ = ["figure", "proof"]


def pytest_configure(config: pytest.Config) -> None:
    proofs.configure(config)
    figures.configure(config)


# debconf opens, and locks, this host's own database even to check: two processes at once, and one fails without a word.
os.environ["DEBCONF_DB_REPLACE"] = "Pipe{infd:none outfd:none}"


def pytest_addoption(parser: pytest.Parser) -> None:
    proofs.add_option(parser)
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew; read the diff afterwards")
    parser.addoption("--kills", type=int, default=3, metavar="N", help="how often test_kill.py ends a build")


@pytest.fixture(scope="session")
def short_dir() -> Iterator[Path]:
    """A private directory with a path short enough for sockets, which that of tmp_path is not."""
    directory = Path(tempfile.mkdtemp(prefix="ozt", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def capabilities_cache(short_dir: Path) -> Path:
    """Where libvirt keeps, between runs of the suite, what QEMU can do."""
    kept = Path(__file__).parents[1] / f"build/libvirt-cache-{os.geteuid()}"
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return short_dir / "cache"
    return kept


@pytest.fixture(scope="session")
def hypervisor(short_dir: Path, capabilities_cache: Path) -> "Iterator[LibvirtHypervisor]":
    """QEMU through embedded libvirt: one for the whole session, as a process can open only one."""
    from oz.host.hypervisor import connect

    with connect("auto", root=short_dir / "root", cache_dir=capabilities_cache) as connection:
        yield connection
