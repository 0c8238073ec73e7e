"""A real HTTP server on 127.0.0.1 that can do what servers do wrong.

server = HttpServer()
server.files["/a.iso"] = Served(content, etag='"1"', ...)
url = server.url("/a.iso")
server.requests                # (method, path, headers) of each, in order
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(kw_only=True)
class Served:
    """One path. The counts of faults go down with each request that met one."""

    content: bytes = b""
    etag: str = ""
    last_modified: str = ""
    status: int = 200
    reason: str | None = None
    redirect: str = ""
    has_ranges: bool = True
    ignores_if_range: bool = False
    has_length: bool = True
    """False: chunked, as servers do that do not know it."""
    extra_length: int = 0
    """Added to the true Content-Length."""
    breaks_after: list[int] = field(default_factory=list)
    """For each of the next requests: end the connection after so many bytes of the body."""
    stalls_after: list[int] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_open: threading.Event = field(default_factory=threading.Event)
    """With `holds`, the body's end is sent only when this is set."""
    holds: bool = False
    is_halfway: threading.Event = field(default_factory=threading.Event)


class HttpServer:
    """Listens from the first moment; `close` ends it at once, stalled requests too."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies = 0
        """Answers 200 and 206 that were given."""
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._httpd.daemon_threads = True
        self._httpd.block_on_close = False
        self.port = self._httpd.server_address[1]
        threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def url(self, path: str, *, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.closing.set()
        self._httpd.shutdown()
        self._httpd.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((request.command, request.path, dict(request.headers)))
        served = self.files.get(request.path)
        if served is None:
            request.send_error(404)
            return
        if served.redirect:
            request.send_response(302)
            request.send_header("Location", served.redirect)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if served.status != 200:
            request.send_error(served.status, served.reason)
            return
        if self._is_unchanged(request, served):
            request.send_response(304)
            request.end_headers()
            return
        self._send_body(request, served)

    def _is_unchanged(self, request: BaseHTTPRequestHandler, served: Served) -> bool:
        asked = request.headers
        if "If-None-Match" in asked:
            return bool(served.etag) and asked["If-None-Match"] == served.etag
        return bool(served.last_modified) and asked.get("If-Modified-Since") == served.last_modified

    def _send_body(self, request: BaseHTTPRequestHandler, served: Served) -> None:
        content, start, total = served.content, 0, len(served.content)
        range_wanted = request.headers.get("Range", "")
        condition = request.headers.get("If-Range")
        is_same = served.ignores_if_range or condition in (None, served.etag or served.last_modified)
        if range_wanted and served.has_ranges and is_same:
            start = int(range_wanted.removeprefix("bytes=").rstrip("-"))
            if start >= total:
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{total}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            content = content[start:]
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            request.send_response(200)
        self.bodies += 1
        for name, value in served.headers.items():
            request.send_header(name, value)
        if served.etag:
            request.send_header("ETag", served.etag)
        if served.last_modified:
            request.send_header("Last-Modified", served.last_modified)
        if served.has_length:
            request.send_header("Content-Length", str(len(content) + served.extra_length))
        else:
            request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        self._write(request, served, content)

    def _write(self, request: BaseHTTPRequestHandler, served: Served, content: bytes) -> None:
        stop = len(content)
        if served.breaks_after:
            stop = min(stop, served.breaks_after.pop(0))
        stall = served.stalls_after.pop(0) if served.stalls_after else None
        if served.holds:
            stall = stop // 2
        try:
            for first in range(0, stop, 65536):
                last = min(first + 65536, stop)
                if stall is not None and last > stall:
                    request.wfile.flush()
                    served.is_halfway.set()
                    if not served.holds:
                        self.closing.wait()
                        break
                    served.is_open.wait()
                    stall = None
                piece = content[first:last]
                request.wfile.write(piece if served.has_length else b"%x\r\n%s\r\n" % (len(piece), piece))
            if not served.has_length and stop == len(content):
                request.wfile.write(b"0\r\n\r\n")
        except OSError:
            request.close_connection = True
        if stop < len(content) or served.extra_length > 0:
            request.close_connection = True
