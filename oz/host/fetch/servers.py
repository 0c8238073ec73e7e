"""What HTTP and FTP servers send, as an Answer. The only importer of the HTTP client.

Redirects are followed here, not by the client: each is checked first, and no password follows to another host.
"""

import ftplib
import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3.exceptions

from oz.errors import MediumError
from oz.redaction import redact

REDIRECT_LIMIT = 10
OTHER_MIRROR = "try again later, or name another mirror"
_CHECK_ROUTE = "check the URL and this host's network; a proxy is named in the environment, as http_proxy and its kin"
TREE_LIMIT = 20_000
TREE_DEPTH_LIMIT = 32

_RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}
_NETWORK_ERRORS: tuple[type[Exception], ...] = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    *ftplib.all_errors,
    ValueError,
)


class TransferInterruptedError(Exception):
    """The transfer failed in a way that another attempt may not."""


class UnreachableError(MediumError):
    """The server gave no answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server is waited for. `attempts` counts failures in a row that brought less than 1 MiB each."""

    connect_s: float = 30
    stall_s: float = 60
    attempts: int = 5
    pause_s: float = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a server said of a file."""

    etag: str = ""
    last_modified: str = ""
    size_bytes: int | None = None

    @property
    def validator(self) -> str:
        """For If-Range, which takes strong ETags and dates; "" where a download cannot be taken up again."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server began to send: 200 the whole file, 206 the rest of it from `start`, 304 nothing new, 416 no rest.

    `read` gives the next bytes, b"" at the end, and raises TransferInterruptedError.
    """

    status: int
    facts: Facts
    start: int
    read: Callable[[int], bytes]


@contextmanager
def open_url(url: str, headers: Mapping[str, str], patience: Patience) -> Iterator[Answer]:
    """Ask for a http, https or ftp URL; Accept-Encoding aside, `headers` are sent as they are (not by FTP).

    Raises UnreachableError, TransferInterruptedError, and MediumError with the server's words where it refuses.
    """
    if urlsplit(url).scheme == "ftp":
        with closing(_open_ftp(url, patience)) as file:
            facts = Facts(size_bytes=_number(file.headers.get("Content-Length")))
            yield Answer(status=200, facts=facts, start=0, read=_guarded(file.read, patience))
        return
    with requests.Session() as session, closing(_request(session, url, headers, patience)) as response:
        words = f"the server says {response.status_code} {_clean(response.reason or '')}".rstrip()
        if response.status_code in _RETRIED_STATUSES:
            raise TransferInterruptedError(words)
        if response.status_code not in ({200, 206, 416} if "Range" in headers else {200, 304}):
            raise MediumError(f"{redact(url)}: {words}", hint="check the URL: is the file there, and may it be had?")
        yield _http_answer(response, patience)


def walk_ftp(url: str, patience: Patience) -> Iterator[str]:
    """Paths of the files under an ftp:// directory, relative to it. Raises MediumError."""
    parts = urlsplit(url)
    try:
        with ftplib.FTP(timeout=patience.stall_s) as ftp:
            ftp.connect(parts.hostname or "", parts.port or 21, timeout=patience.connect_s)
            ftp.login(unquote(parts.username or ""), unquote(parts.password or ""))
            root = unquote(parts.path).removeprefix("/").rstrip("/")
            pending, count = [""], 0
            while pending:
                folder = pending.pop()
                for kind, name in _list_ftp(ftp, f"{root}/{folder}".strip("/")):
                    path = f"{folder}/{name}".lstrip("/")
                    count += 1
                    if count > TREE_LIMIT or path.count("/") > TREE_DEPTH_LIMIT:
                        raise MediumError(
                            f"{redact(url)} holds too much: {TREE_LIMIT} files, {TREE_DEPTH_LIMIT} levels"
                        )
                    if kind == "dir":
                        pending.append(path)
                    elif kind == "file":
                        yield path
                    else:
                        raise MediumError(f"{redact(url)}: {path!r} is neither a file nor a directory")
    except _NETWORK_ERRORS as error:
        raise MediumError(f"cannot list {redact(url)}: {_reason(error, patience)}") from error


# ------------------------------------------------------------------ HTTP


def _request(session: requests.Session, url: str, headers: Mapping[str, str], patience: Patience) -> requests.Response:
    """The first answer that is not a redirect. Bodies come as they are stored: no compression is asked for."""
    asked = {**headers, "Accept-Encoding": "identity", "User-Agent": "oz"}
    timeout = (patience.connect_s, patience.stall_s)
    here = url
    for _ in range(REDIRECT_LIMIT + 1):
        try:
            response = session.get(here, headers=asked, stream=True, allow_redirects=False, timeout=timeout)
            location = session.get_redirect_target(response)
            if not location:
                return response
            response.close()
            here, previous = urljoin(here, location), here
            before, after = urlsplit(previous), urlsplit(here)
        except _NETWORK_ERRORS as error:
            words = f"cannot reach {redact(here)}: {_reason(error, patience)}"
            raise UnreachableError(words, hint=_CHECK_ROUTE) from error
        if after.scheme not in ("http", "https") or not after.hostname:
            raise MediumError(f"{redact(previous)} redirects to {_clean(redact(here))!r}, which is refused")
        if before.scheme == "https" and after.scheme == "http":
            raise MediumError(
                f"{redact(previous)} redirects to {_clean(redact(here))}, which gives up encryption",
                hint="if that is acceptable, write the http URL itself",
            )
    raise MediumError(f"{redact(url)} redirects more than {REDIRECT_LIMIT} times", hint=OTHER_MIRROR)


def _http_answer(response: requests.Response, patience: Patience) -> Answer:
    size, start = _number(response.headers.get("Content-Length")), 0
    if response.status_code in (206, 416):
        span = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", response.headers.get("Content-Range", ""))
        start, size = (int(span[1]), int(span[2])) if span else (-1, None)
    facts = Facts(
        etag=response.headers.get("ETag", "")[:500],
        last_modified=response.headers.get("Last-Modified", "")[:100],
        size_bytes=size,
    )
    raw = response.raw

    def read(count: int) -> bytes:
        return bytes(raw.read(count, decode_content=False))

    return Answer(status=response.status_code, facts=facts, start=start, read=_guarded(read, patience))


# ------------------------------------------------------------------ FTP


def _open_ftp(url: str, patience: Patience) -> "urllib.response.addinfourl":
    try:
        return urllib.request.urlopen(url, timeout=patience.stall_s)  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        raise MediumError(f"{redact(url)}: the proxy says {error.code} {_clean(error.reason)}") from error
    except _NETWORK_ERRORS as error:
        words = _reason(error, patience)
        if isinstance(_innermost(error), ftplib.error_perm):
            raise MediumError(f"{redact(url)}: the server says {words}") from error
        raise UnreachableError(f"cannot reach {redact(url)}: {words}", hint=_CHECK_ROUTE) from error


def _list_ftp(ftp: ftplib.FTP, folder: str) -> Iterator[tuple[str, str]]:
    """Kind ("dir", "file" or other) and name of each entry: by MLSD (RFC 3659), else by LIST as Unix servers do."""
    entries: list[tuple[str, str]]
    try:
        entries = [(facts.get("type", "").lower(), name) for name, facts in ftp.mlsd(folder, facts=["type"])]
    except ftplib.error_perm as error:
        if not str(error).startswith("50"):
            raise
        lines: list[str] = []
        ftp.cwd("/" + folder)
        ftp.dir(lines.append)
        fields = [line.split(None, 8) for line in lines if not line.startswith("total ")]
        kinds = {"-": "file", "d": "dir"}
        entries = [(kinds.get(field[0][0], "other"), field[8]) for field in fields if len(field) == 9]
    for kind, name in entries:
        if kind in ("cdir", "pdir") or name in (".", ".."):
            continue
        if not name or "/" in name or not name.isprintable():
            raise ValueError(f"it lists the name {name!r}")
        yield kind, name


# ------------------------------------------------------------------ words


def _guarded(read: Callable[[int], bytes], patience: Patience) -> Callable[[int], bytes]:
    def guarded(count: int) -> bytes:
        try:
            return read(count)
        except _NETWORK_ERRORS as error:
            raise TransferInterruptedError(_reason(error, patience)) from error

    return guarded


def _innermost(error: BaseException) -> BaseException:
    """What began it: clients wrap the error that says something in several that do not."""
    for _ in range(10):
        held = (error.__cause__, getattr(error, "reason", None), *error.args)
        inner = next((item for item in held if isinstance(item, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _reason(error: BaseException, patience: Patience) -> str:
    inner = _innermost(error)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"no connection within {patience.connect_s:g} s"
    if isinstance(inner, TimeoutError | urllib3.exceptions.ReadTimeoutError):
        return f"nothing came for {patience.stall_s:g} s"
    if isinstance(inner, http.client.IncompleteRead):
        return "it ended too early"
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {inner.verify_message}"
    words = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner) or type(inner).__name__
    return _clean(redact(words))


def _clean(text: str) -> str:
    """A stranger's words, harmless to print."""
    return "".join(char if char.isprintable() else " " for char in text).strip()[:200]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None
