"""Downloads from a real server that fails in the ways servers do."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

from oz import checksums, progress
from oz.errors import HostError, MediumError
from oz.host import fetch as fetch_module
from oz.host.fetch import Patience, cached_name, digest, fetch, fetch_bytes, file_name, list_tree
from oz.model import Checksum
from oz.redaction import redact
from tests.httpserver import HttpServer, Served

QUICK = Patience(connect_s=20, stall_s=20, attempts=3, pause_s=0)
IMPATIENT = Patience(connect_s=20, stall_s=1.5, attempts=3, pause_s=0)
"""Longer than a busy host makes a transfer pause that goes on."""
CONTENT = os.urandom(1024) * 3000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GOOD = Checksum(algorithm="sha256", value=SHA256)
DATE = "Wed, 01 Jan 2025 00:00:00 GMT"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    opened = HttpServer()
    opened.files["/dir/a.iso"] = Served(content=CONTENT, etag='"1"')
    yield opened
    opened.close()


@pytest.fixture
def url(server: HttpServer) -> str:
    return server.url("/dir/a.iso")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def ranges(server: HttpServer) -> list[str]:
    return [headers.get("Range", "") for _, _, headers in server.requests]


# ------------------------------------------------------------------ a download


def test_download_is_complete_and_alone(server: HttpServer, url: str, tmp_path: Path) -> None:
    path = fetch(url, directory=tmp_path / "isos", checksum=GOOD, patience=QUICK)
    assert path.name == f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-a.iso"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == sorted([path.name, f"{path.name}.json", "digests"])
    assert server.requests[0][2]["Accept-Encoding"] == "identity"


def test_cached_file_with_its_digest_is_used_unasked(server: HttpServer, url: str, tmp_path: Path) -> None:
    fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK)
    fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK)
    assert len(server.requests) == 1
    fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK, force=True)
    assert server.bodies == 2


@pytest.mark.parametrize("facts", [{"etag": '"1"'}, {"etag": 'W/"1"'}, {"last_modified": DATE}])
def test_cached_file_is_asked_for_and_fetched_if_changed(
    server: HttpServer, url: str, tmp_path: Path, facts: dict[str, str]
) -> None:
    server.files["/dir/a.iso"] = Served(content=CONTENT, **facts)  # type: ignore[arg-type]
    fetch(url, directory=tmp_path, patience=QUICK)
    fetch(url, directory=tmp_path, patience=QUICK)
    assert server.bodies == 1
    server.files["/dir/a.iso"] = Served(content=b"new", etag='"2"')
    assert fetch(url, directory=tmp_path, patience=QUICK).read_bytes() == b"new"


def test_without_validators_the_size_decides(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/dir/a.iso"] = Served(content=b"old")
    fetch(url, directory=tmp_path, patience=QUICK)
    server.files["/dir/a.iso"] = Served(content=b"new")
    assert fetch(url, directory=tmp_path, patience=QUICK).read_bytes() == b"old"
    server.files["/dir/a.iso"] = Served(content=b"newer")
    assert fetch(url, directory=tmp_path, patience=QUICK).read_bytes() == b"newer"


def test_cached_file_does_without_the_server(server: HttpServer, url: str, tmp_path: Path) -> None:
    path = fetch(url, directory=tmp_path, patience=QUICK)
    server.files["/dir/a.iso"] = Served(status=503)
    assert fetch(url, directory=tmp_path, patience=QUICK) == path
    del server.files["/dir/a.iso"]
    assert fetch(url, directory=tmp_path, patience=QUICK) == path
    server.close()
    assert fetch(url, directory=tmp_path, patience=QUICK) == path


def test_truncated_cached_file_is_fetched_again(server: HttpServer, url: str, tmp_path: Path) -> None:
    path = fetch(url, directory=tmp_path, patience=QUICK)
    path.write_bytes(CONTENT[:1000])
    assert fetch(url, directory=tmp_path, patience=QUICK).read_bytes() == CONTENT


def test_damaged_cached_file_is_fetched_again_once(server: HttpServer, url: str, tmp_path: Path) -> None:
    path = fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK).read_bytes() == CONTENT
    path.write_bytes(b"x")
    server.files["/dir/a.iso"].content = b"other"
    with pytest.raises(
        MediumError, match=rf"has the sha256 digest {hashlib.sha256(b'other').hexdigest()}; expected {SHA256}"
    ):
        fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK)
    assert server.bodies == 3
    assert names(tmp_path) == sorted([path.name, f"{path.name}.json", "digests"])


def test_redirects_are_followed_and_limited(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/here"] = Served(redirect="/dir/a.iso")
    assert fetch(server.url("/here"), directory=tmp_path, patience=QUICK).read_bytes() == CONTENT
    server.files["/loop"] = Served(redirect="/loop")
    with pytest.raises(MediumError, match="redirects more than 10 times"):
        fetch(server.url("/loop"), directory=tmp_path, patience=QUICK)
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/"):
        server.files["/out"] = Served(redirect=target)
        with pytest.raises(MediumError, match=r"redirects to '.*', which is refused"):
            fetch(server.url("/out"), directory=tmp_path, patience=QUICK)
    server.files["/bad"] = Served(redirect="http://[")
    with pytest.raises(MediumError, match="cannot reach"):
        fetch(server.url("/bad"), directory=tmp_path, patience=QUICK)


def test_encryption_is_not_given_up(
    server: HttpServer, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server behind TLS, by openssl, that redirects to plain HTTP."""
    import ssl
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", url)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    secure = ThreadingHTTPServer(("127.0.0.1", 0), Redirect)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    https = f"https://127.0.0.1:{secure.server_address[1]}/x"
    try:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        with pytest.raises(MediumError, match=r"cannot reach .*certificate is not trusted"):
            fetch(https, directory=tmp_path / "isos", patience=QUICK)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert"))
        with pytest.raises(MediumError, match="which gives up encryption"):
            fetch(https, directory=tmp_path / "isos", patience=QUICK)
    finally:
        secure.shutdown()
        secure.server_close()
    assert server.requests == []


# ------------------------------------------------------------------ faults


def test_error_status_is_said_in_the_servers_words(server: HttpServer, tmp_path: Path) -> None:
    with pytest.raises(MediumError, match=r"/none: the server says 404 Not Found"):
        fetch(server.url("/none"), directory=tmp_path, patience=QUICK)
    server.files["/x"] = Served(status=403, reason="Members \x1b[31monly")
    with pytest.raises(MediumError, match=r"the server says 403 Members  \[31monly\n"):
        fetch(server.url("/x"), directory=tmp_path, patience=QUICK)
    server.files["/x"] = Served(status=503)
    with pytest.raises(MediumError, match=r"cannot download .*503 Service Unavailable \(3 attempts\)"):
        fetch(server.url("/x"), directory=tmp_path, patience=QUICK)
    assert names(tmp_path) == []


@pytest.mark.parametrize("facts", [{"etag": '"1"'}, {"last_modified": DATE}])
def test_broken_and_stalled_downloads_are_taken_up_again(
    server: HttpServer, url: str, tmp_path: Path, facts: dict[str, str]
) -> None:
    served = Served(content=CONTENT, breaks_after=[100_000, 2_000_000], stalls_after=[9**9, 9**9, 500_000], **facts)  # type: ignore[arg-type]
    server.files["/dir/a.iso"] = served
    path = fetch(url, directory=tmp_path, checksum=GOOD, patience=IMPATIENT)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == ["", "bytes=100000-", "bytes=2100000-", ranges(server)[3]]
    assert int(ranges(server)[3][6:-1]) > 2_100_000
    assert {headers.get("If-Range") for _, _, headers in server.requests[1:]} == set(facts.values())


def test_server_without_ranges_starts_over(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/dir/a.iso"] = Served(content=CONTENT, etag='"1"', has_ranges=False, breaks_after=[100_000])
    assert fetch(url, directory=tmp_path, patience=QUICK).read_bytes() == CONTENT


def test_file_that_changes_meanwhile_is_not_mixed(server: HttpServer, url: str, tmp_path: Path) -> None:
    new = CONTENT[::-1]
    for ignores_if_range in (False, True):
        server.files["/dir/a.iso"] = Served(content=CONTENT, etag='"1"', breaks_after=[100_000])
        with pytest.raises(MediumError, match=r"it ended too early \(1 attempts\)"):
            fetch(url, directory=tmp_path, force=True, patience=Patience(attempts=1))
        server.files["/dir/a.iso"] = Served(content=new, etag='"2"', ignores_if_range=ignores_if_range)
        assert fetch(url, directory=tmp_path, force=True, patience=QUICK).read_bytes() == new
    server.files["/dir/a.iso"] = Served(content=CONTENT, etag='"1"', breaks_after=[100_000])
    with pytest.raises(MediumError, match="it ended too early"):
        fetch(url, directory=tmp_path, force=True, patience=Patience(attempts=1))
    server.files["/dir/a.iso"] = Served(content=b"short", etag='"1"')
    assert fetch(url, directory=tmp_path, force=True, patience=QUICK).read_bytes() == b"short"


def test_attempts_end_even_where_each_brings_much(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/dir/a.iso"] = Served(content=CONTENT, breaks_after=[2_000_000] * 20)
    with pytest.raises(MediumError, match=r"it ended too early \(3 attempts\)"):
        fetch(url, directory=tmp_path, patience=QUICK)
    assert len(server.requests) <= 4
    assert names(tmp_path) == []


def test_length_that_is_a_lie_is_found_out(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/dir/a.iso"] = Served(content=b"x" * 1000, extra_length=10)
    with pytest.raises(MediumError, match="cannot download"):
        fetch(url, directory=tmp_path, patience=QUICK)
    server.files["/dir/a.iso"] = Served(content=CONTENT, extra_length=-10)
    with pytest.raises(MediumError, match="has the sha256 digest"):
        fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK)
    assert names(tmp_path) == []


def test_unknown_length_is_no_obstacle_but_its_end_is_needed(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/dir/a.iso"] = Served(content=CONTENT, has_length=False)
    assert fetch(url, directory=tmp_path, patience=QUICK).read_bytes() == CONTENT
    server.files["/dir/a.iso"] = Served(content=CONTENT, has_length=False, breaks_after=[200_000] * 9)
    with pytest.raises(MediumError, match="cannot download"):
        fetch(url, directory=tmp_path / "other", patience=QUICK)


def test_resumed_download_that_is_damaged_starts_over(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/dir/a.iso"].breaks_after = [500_000]
    with pytest.raises(MediumError, match="it ended too early"):
        fetch(url, directory=tmp_path, patience=Patience(attempts=1))
    part = tmp_path / f"{cached_name(url)}.part"
    part.write_bytes(b"?" * 500_000)
    assert fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK).read_bytes() == CONTENT


def test_server_that_cannot_be_reached(tmp_path: Path, server: HttpServer) -> None:
    server.close()
    with pytest.raises(MediumError, match=r"cannot reach .*: Connection refused"):
        fetch(server.url("/x"), directory=tmp_path, patience=QUICK)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(MediumError, match=r"cannot reach .*: nothing came for 1.5 s"):
            fetch(f"http://127.0.0.1:{port}/x", directory=tmp_path, patience=IMPATIENT)


@pytest.mark.parametrize(
    "bad", ["gopher://x/y", "no-url", "http://", "http://[", "http://h:99999/", "file:relative", ""]
)
def test_what_is_no_url_is_refused(bad: str, tmp_path: Path) -> None:
    with pytest.raises(MediumError, match=r"is not a URL|cannot be fetched|does not name a local file"):
        fetch(bad, directory=tmp_path, patience=QUICK)


def test_secrets_stay_out_of_names_and_messages(server: HttpServer, tmp_path: Path) -> None:
    server.files["/x"] = Served(content=b"x")
    url = server.url("/x", login="joe:sec%40ret@")
    path = fetch(url, directory=tmp_path, patience=QUICK)
    assert path.name == cached_name(server.url("/x", login="***@"))
    assert server.requests[0][2]["Authorization"].startswith("Basic ")
    kept = "".join(file.read_text() for file in tmp_path.rglob("*.json"))
    server.files["/x"] = Served(status=401)
    with pytest.raises(MediumError, match=r"http://\*\*\*@127.0.0.1") as info:
        fetch(url, directory=tmp_path, force=True, patience=QUICK)
    for secret in ("joe", "sec%40ret", "sec@ret"):
        assert secret not in str(info.value) + kept + path.name
    assert redact("see http://a:b@c@host/x@y and ftp://u@h") == "see http://***@host/x@y and ftp://***@h"


def test_password_does_not_follow_a_redirect_to_another_host(server: HttpServer, tmp_path: Path) -> None:
    server.files["/x"] = Served(redirect=server.url("/dir/a.iso").replace("127.0.0.1", "localhost"))
    fetch(server.url("/x", login="joe:secret@"), directory=tmp_path, patience=QUICK)
    assert "Authorization" in server.requests[0][2]
    assert "Authorization" not in server.requests[1][2]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.iso?x=/y#z", "b.iso"),
        ("http://h/a/..%2f..%2fetc%2fpasswd", "passwd"),
        ("http://h/", "index"),
        ("http://h/..", "index"),
        ("http://h/a%20b%00%0a.iso", "a_b__.iso"),
        ("http://h/" + "x" * 300 + ".iso", "x" * 96 + ".iso"),
    ],
)
def test_file_names_are_harmless(url: str, name: str) -> None:
    assert file_name(url) == name


def test_proxy_is_honoured(server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["http://mirror.invalid/x"] = Served(content=b"by proxy")
    monkeypatch.setenv("http_proxy", server.url("/"))
    monkeypatch.setenv("no_proxy", "")
    assert fetch("http://mirror.invalid/x", directory=tmp_path, patience=QUICK).read_bytes() == b"by proxy"


def test_meter_is_shown(server: HttpServer, url: str, tmp_path: Path) -> None:
    seen: list[progress.ProgressEvent] = []
    server.files["/dir/a.iso"].holds = True
    progress.add_view(seen.append)
    threading.Timer(0.7, server.files["/dir/a.iso"].is_open.set).start()
    try:
        fetch(url, directory=tmp_path, label="Debian", patience=QUICK)
    finally:
        progress.remove_view(seen.append)
    assert any(event.text == "Debian" and event.total == len(CONTENT) and event.done > 0 for event in seen)


# ------------------------------------------------------------------ processes and disks

CHILD = """
import sys
from pathlib import Path
from oz.host.fetch import fetch
from oz.model import Checksum
from oz.redaction import redact
print(fetch(sys.argv[1], directory=Path(sys.argv[2]), checksum=Checksum(algorithm="sha256", value=sys.argv[3])))
"""


def start(url: str, directory: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", CHILD, url, directory, SHA256], stdout=subprocess.PIPE, text=True)


def test_two_processes_download_once(server: HttpServer, url: str, tmp_path: Path) -> None:
    served = server.files["/dir/a.iso"]
    served.holds = True
    children = [start(url, tmp_path)]
    assert served.is_halfway.wait(60)
    children.append(start(url, tmp_path))
    threading.Timer(0.5, served.is_open.set).start()
    assert {child.communicate(timeout=60)[0] for child in children} == {f"{tmp_path / cached_name(url)}\n"}
    assert [child.returncode for child in children] == [0, 0]
    assert len(server.requests) == 1


def test_killed_download_is_taken_up_again(server: HttpServer, url: str, tmp_path: Path) -> None:
    served = server.files["/dir/a.iso"]
    served.holds = True
    child = start(url, tmp_path)
    part = tmp_path / f"{cached_name(url)}.part"
    assert served.is_halfway.wait(60)
    while not (part.exists() and part.stat().st_size > 500_000):
        assert child.poll() is None
        threading.Event().wait(0.02)
    child.kill()
    child.communicate()
    served.holds = False
    served.is_open.set()
    size = part.stat().st_size
    assert fetch(url, directory=tmp_path, checksum=GOOD, patience=QUICK).read_bytes() == CONTENT
    assert ranges(server) == ["", f"bytes={size}-"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs")
    path = tmp_path / "small"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "oz-test", path]).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield path
    subprocess.run(["umount", path], check=True)


def test_full_disk_is_seen_before(server: HttpServer, url: str, small: Path) -> None:
    with pytest.raises(HostError, match=r"needs 3072000 bytes; .*small has \d+ free"):
        fetch(url, directory=small, patience=QUICK)


def test_full_disk_is_survived(server: HttpServer, url: str, small: Path) -> None:
    for etag, is_kept in (("", False), ('"1"', True)):
        server.files["/dir/a.iso"] = Served(content=CONTENT, etag=etag, has_length=False)
        with pytest.raises(HostError, match=r"cannot write .*\.part: No space left on device"):
            fetch(url, directory=small, patience=QUICK)
        assert any(name.endswith(".part") for name in names(small)) == is_kept
        assert cached_name(url) not in names(small)


def test_directory_that_cannot_be_used(server: HttpServer, url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="file"):
        fetch(url, directory=tmp_path / "file", patience=QUICK)
    (tmp_path / cached_name(url)).mkdir()
    with pytest.raises(HostError, match="is in the way"):
        fetch(url, directory=tmp_path, patience=QUICK)


# ------------------------------------------------------------------ local files


def test_local_file_is_used_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "a #b%.iso"
    file.write_bytes(CONTENT)
    url = file.as_uri()
    assert fetch(url, directory=tmp_path / "isos", checksum=GOOD) == file
    assert fetch(url.replace("file://", "file://localhost"), directory=tmp_path / "isos") == file
    assert names(tmp_path / "isos") == ["digests"]
    with pytest.raises(MediumError, match=rf"has the sha256 digest {SHA256}; expected {'0' * 64}"):
        fetch(url, directory=tmp_path / "isos", checksum=Checksum(algorithm="sha256", value="0" * 64))


def test_local_files_of_no_use(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, words in (
        (tmp_path / "none", "cannot read .*none: No such file"),
        (tmp_path, "is not a regular file"),
        (tmp_path / "fifo", "is not a regular file"),
    ):
        with pytest.raises(MediumError, match=words):
            fetch(path.as_uri(), directory=tmp_path / "isos")
    with pytest.raises(MediumError, match="does not name a local file"):
        fetch("file://elsewhere/x", directory=tmp_path)
    with pytest.raises(MediumError, match="does not name a local file"):
        fetch("file:///a%00b", directory=tmp_path)


def test_digest_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    file, memory = tmp_path / "f", tmp_path / "memory"
    file.write_bytes(b"one")
    assert digest(file, "md5", memory=memory) == hashlib.md5(b"one").hexdigest()
    assert digest(file, "sha256", memory=memory) == hashlib.sha256(b"one").hexdigest()
    status = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digest(file, "sha256", memory=memory) == hashlib.sha256(b"one").hexdigest(), "not read again"
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert digest(file, "sha256", memory=memory) == hashlib.sha256(b"two").hexdigest()
    for note in memory.iterdir():
        note.write_bytes(b"\xff{")
    assert digest(file, "sha256", memory=memory) == hashlib.sha256(b"two").hexdigest()
    with pytest.raises(MediumError, match=r"cannot read .*gone"):
        digest(tmp_path / "gone", "md5", memory=memory)
    with pytest.raises(HostError, match=r"cannot write to .*f"):
        digest(file, "sha1", memory=file)


def test_fetch_bytes(server: HttpServer, tmp_path: Path) -> None:
    server.files["/key"] = Served(content=b"k" * 100)
    server.files["/chunked"] = Served(content=b"k" * 100, has_length=False)
    (tmp_path / "key").write_bytes(b"k" * 100)
    for url in (server.url("/key"), server.url("/chunked"), (tmp_path / "key").as_uri()):
        assert fetch_bytes(url, limit_bytes=100, what="the key", patience=QUICK) == b"k" * 100
        with pytest.raises(MediumError, match=r"^the key: .* is longer than the 99 bytes"):
            fetch_bytes(url, limit_bytes=99, what="the key", patience=QUICK)
    with pytest.raises(MediumError, match=r"^the key: .*404"):
        fetch_bytes(server.url("/none"), limit_bytes=9, what="the key", patience=QUICK)


# ------------------------------------------------------------------ lists of digests


def test_list_of_digests_is_fetched_and_kept(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/dir/SUMS"] = Served(content=f"{SHA256} *a.iso\n".encode(), etag='"s"')
    by_list = Checksum(algorithm="sha256", value=server.url("/dir/SUMS"))
    fetch(url, directory=tmp_path, checksum=by_list, patience=QUICK)
    server.close()
    assert fetch(url, directory=tmp_path, checksum=by_list, patience=QUICK).read_bytes() == CONTENT


def test_list_of_digests_that_is_of_no_use_is_named(server: HttpServer, url: str, tmp_path: Path) -> None:
    server.files["/SUMS"] = Served(content=b"<html>" + bytes(range(256)))
    with pytest.raises(MediumError, match=r"/SUMS: the list holds no sha256 digest of a.iso"):
        fetch(url, directory=tmp_path, checksum=Checksum(algorithm="sha256", value=server.url("/SUMS")), patience=QUICK)
    with pytest.raises(MediumError, match="'abc' is neither an md5 digest nor the URL"):
        fetch(url, directory=tmp_path, checksum=Checksum(algorithm="md5", value="abc"), patience=QUICK)


A, B = "a" * 64, "B" * 64
SIGNED = (
    f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{A}  a.iso\n-----BEGIN PGP SIGNATURE-----\n\niQ\n=x\n-----END"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{B}  other\n{A}  a.iso\n", A),
        (f"{A} *a.iso\r\n{B} *b.iso\r\n", A),
        (f"{A} a.iso\n", A),
        (f"{B}  ./a.iso\n", B.lower()),
        (f"SHA256 (a.iso) = {A}\nMD5 (a.iso) = {'c' * 32}\n", A),
        (f"# a.iso: 5 bytes\nSHA256 (a.iso) = {B}\n", B.lower()),
        (f"SHA2-256(a.iso)= {A}\n", A),
        (SIGNED, A),
        (f"{A}\n", A),
        (f"{B}  iso/a.iso\n{A}  ./dir/a.iso\n", A),
        (f"{B}  a.iso\n{A}  pool/dir/a.iso\n", A),
        (f"{A}  a.iso\n{A}  a.iso\n", A),
    ],
)
def test_formats_of_lists(text: str, expected: str) -> None:
    assert checksums.find_digest(text, "http://h/pool/dir/a.iso", "sha256") == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no sha256 digest of a.iso"),
        (f"{A}  ba.iso\n{A}  a.iso.torrent", "holds no sha256"),
        (f"SHA512 (a.iso) = {A}{A}\n", "holds no sha256"),
        (f"{'c' * 32}  a.iso\n", "holds no sha256"),
        (f"{A}  a.iso\n{B}  a.iso\n", "holds different sha256 digests of a.iso"),
    ],
)
def test_lists_that_do_not_help(text: str, words: str) -> None:
    with pytest.raises(MediumError, match=words):
        checksums.find_digest(text, "http://h/a.iso", "sha256")


def test_coreutils_and_openssl_write_lists_we_read(tmp_path: Path) -> None:
    (tmp_path / "a.iso").write_bytes(CONTENT)
    for command in (["sha256sum", "a.iso"], ["sha256sum", "--tag", "a.iso"], ["openssl", "dgst", "-sha256", "a.iso"]):
        text = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        assert checksums.find_digest(text, "file:///x/a.iso", "sha256") == SHA256


# ------------------------------------------------------------------ directories and FTP


def test_local_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/deep").write_text("1")
    (tree / "top").write_text("2")
    (tree / "link").symlink_to("a/b/deep")
    listed = list_tree(tree.as_uri(), directory=tmp_path / "isos")
    assert listed == (("a/b/deep", tree / "a/b/deep"), ("link", tree / "link"), ("top", tree / "top"))
    for name, make in {
        "outside": lambda path: path.symlink_to("/etc/passwd"),
        "dangling": lambda path: path.symlink_to("nothing"),
        "folder": lambda path: path.symlink_to("a"),
        "loop": lambda path: path.symlink_to("loop"),
        "fifo": os.mkfifo,
    }.items():
        make(tree / name)
        with pytest.raises(MediumError, match=rf"(?s)(?=.*{name}).*(not a file inside|neither a file nor|loop)"):
            list_tree(tree.as_uri(), directory=tmp_path / "isos")
        (tree / name).unlink()
    with pytest.raises(MediumError, match="is not a directory"):
        list_tree((tree / "top").as_uri(), directory=tmp_path)
    with pytest.raises(MediumError, match="a directory cannot be had by http"):
        list_tree("http://h/x", directory=tmp_path)


class PlainFtp(FTPHandler):  # type: ignore[misc]
    """Knows LIST only, as vsftpd does."""

    proto_cmds = {name: value for name, value in FTPHandler.proto_cmds.items() if name not in ("MLSD", "MLST")}


@pytest.fixture(params=[FTPHandler, PlainFtp])
def ftp(request: pytest.FixtureRequest, tmp_path: Path, server: HttpServer) -> Iterator[Callable[[str], str]]:
    """Gives the URLs of an FTP server of tmp_path/ftp."""
    (tmp_path / "ftp/sub dir/x").mkdir(parents=True)
    (tmp_path / "ftp/a.iso").write_bytes(CONTENT)
    (tmp_path / "ftp/sub dir/x/deep #1").write_text("deep")
    authorizer = DummyAuthorizer()
    authorizer.add_user("joe", "secret", str(tmp_path / "ftp"))
    handler = type("Handler", (request.param,), {"authorizer": authorizer, "auth_failed_timeout": 0})
    listening = ThreadedFTPServer(("127.0.0.1", 0), handler)
    port = listening.address[1]
    thread = threading.Thread(target=lambda: listening.serve_forever(timeout=0.02, handle_exit=False), daemon=True)
    thread.start()
    yield lambda path: f"ftp://joe:secret@127.0.0.1:{port}{path}"
    listening.close_all()


def test_ftp(ftp: Callable[[str], str], tmp_path: Path) -> None:
    path = fetch(ftp("/a.iso"), directory=tmp_path / "isos", checksum=GOOD, patience=QUICK)
    assert path.read_bytes() == CONTENT
    (tmp_path / "ftp/a.iso").write_bytes(b"new")
    assert fetch(ftp("/a.iso"), directory=tmp_path / "isos", patience=QUICK).read_bytes() == b"new"
    with pytest.raises(MediumError, match=r"ftp://\*\*\*@127.0.0.1:\d+/none: the server says .*550"):
        fetch(ftp("/none"), directory=tmp_path / "isos", patience=QUICK)
    tree = list_tree(ftp("/sub dir".replace(" ", "%20")), directory=tmp_path / "isos", patience=QUICK)
    assert [(name, file.read_text()) for name, file in tree] == [("x/deep #1", "deep")]
    (tmp_path / "ftp/sub dir/x/deep #1").rename(tmp_path / "ftp/sub dir/x/a\x1bb")
    with pytest.raises(MediumError, match=r"cannot list ftp://\*\*\*@.*it lists the name"):
        list_tree(ftp("/sub%20dir"), directory=tmp_path / "isos", patience=QUICK)
    with pytest.raises(MediumError, match=r"cannot list ftp://\*\*\*@.*530"):
        list_tree(ftp("/").replace("secret", "wrong"), directory=tmp_path / "isos", patience=QUICK)


def test_facts_are_kept_without_secrets(server: HttpServer, url: str, tmp_path: Path) -> None:
    path = fetch(url, directory=tmp_path, patience=QUICK)
    facts = json.loads(path.with_name(path.name + ".json").read_text())
    assert facts == {"etag": '"1"', "last_modified": "", "size_bytes": len(CONTENT)}
    assert fetch_module.digest is checksums.digest
