"""The report, read by a real browser: it opens, says nothing on its console, asks no network, and can be searched."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from guest import tinycd
from guest.place import PATIENCE_S, Place

BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium")
MISSING = [*tinycd.missing_tools(), *([] if BROWSER else ["chromium"])]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"without {MISSING}")
PASSWORD = "dont-show-this"


@pytest.fixture(scope="module")
def place(short_dir: Path, capabilities_cache: Path) -> Place:
    return Place(short_dir / "report", capabilities_cache)


def browse(page: Path, *words: str, query: str = "") -> subprocess.CompletedProcess[str]:
    """What the browser makes of the page; whatever its console says is on stderr."""
    assert BROWSER
    flags = ["--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={page.parent}/browser"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,1600", "--virtual-time-budget=2000"]
    return subprocess.run(
        [BROWSER, *flags, *words, f"file://{page}{query}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )


def template(place: Place, name: str, iso: Path) -> Path:
    path = place.write_template(name, iso)
    text = path.read_text().replace("</install>", f"</install><rootpw>{PASSWORD}</rootpw>")
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def page(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the second build of a name, by --report."""
    iso = tinycd.build(place.directory / "finish.iso", "finish")
    tdl = template(place, "r", iso)
    assert place.install(tdl).returncode == 0
    page = tmp_path_factory.mktemp("report") / "out.html"
    run = place.install("-p", "--report", page, tdl)
    assert run.returncode == 0, run.stderr
    return page


def test_a_browser_opens_it_and_has_nothing_to_say(page: Path) -> None:
    shown = browse(page, "--dump-dom")
    assert "CONSOLE" not in shown.stderr, shown.stderr
    assert "<title>r: Debian 13</title>" in shown.stdout
    for words in ("Install", "Remaster the medium", "Built from", "Compared with the build before", "time: "):
        assert words in shown.stdout, words
    assert page.stat().st_size < 3 * 1024**2
    assert not re.search(r"(src|href)=.?(http|//)", page.read_text())


def test_it_looks_like_something(page: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(page, f"--screenshot={picture}")
    assert picture.stat().st_size > 20_000


def test_the_logs_can_be_searched(page: Path) -> None:
    greeting = "tiny installer at work"
    found = browse(page, "--dump-dom", query=f"#q={greeting[:4].upper()}").stdout
    assert f"<mark>{greeting[:4]}</mark>" in found and re.search(r'id="count"[^>]*>[1-9]\d* lines', found)
    nothing = browse(page, "--dump-dom", query="#q=neverthere").stdout
    assert "<mark>" not in nothing and ">0 lines<" in nothing


def test_it_hides_secrets_and_what_a_guest_says_stays_text(place: Place, page: Path) -> None:
    assert PASSWORD not in page.read_text()
    assert not list((place.images / "r.oz").rglob("failure"))
    iso = tinycd.build(place.directory / "babble.iso", "babble")
    run = place.install("-t", "6", template(place, "b", iso))
    assert run.returncode == 7
    failure = place.images / "b.oz/failure"
    for path in failure.rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes(), path
    shown = browse(failure / "report.html", "--dump-dom")
    assert "CONSOLE" not in shown.stderr
    assert "had not powered itself off by its limit of 6 s" in html.unescape(shown.stdout)
    assert "\x1b" not in shown.stdout
    summary = json.loads((failure / "report.json").read_text())
    assert summary["outcome"] == "failed" and any(phase["has_failed"] for phase in summary["phases"])
