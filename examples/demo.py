#!/usr/bin/env python3
"""Builds the image of demo.tdl.in: `make demo`.

Fills in the template's install CD, a repository with the CD's packages that is served on 127.0.0.1 as long as this
runs, and its key; then it is one call of oz-install, which is printed.
"""

import argparse
import functools
import http.server
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line each."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the image of demo.tdl.in.")
    parser.add_argument("--cd", type=Path, required=True, help="the install CD, with tree/ and archive-key.asc beside")
    parser.add_argument("--output", type=Path, required=True, help="directory of image, XML and manifest")
    options = parser.parse_args()
    cd, output = options.cd.resolve(), options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(QuietHandler, directory=str(cd.parent / "tree"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        template = output / "debian-13.tdl"
        write_template(template, cd=cd, port=server.server_port)
        config = output / "oz.cfg"
        config.write_text(f"[paths]\noutput_dir = {output}\ndata_dir = {output / 'data'}\n")
        manifest = output / "debian-13.icicle"
        words = ["-c", config, "--cleanup", "--customize", "--generate-manifest", "--manifest", manifest, template]
        command = [sys.executable, HERE.parent / "bin/oz-install", *words]
        print("+", shlex.join(["oz-install", *map(str, words)]), flush=True)
        with subprocess.Popen(command) as oz_install:
            # Whoever ends this alone means it.
            signal.signal(signal.SIGTERM, lambda *_: oz_install.terminate())
            while True:
                try:
                    return oz_install.wait()
                except KeyboardInterrupt:
                    # The terminal has interrupted oz-install too: it cleans up and says so.
                    continue


def write_template(path: Path, *, cd: Path, port: int) -> None:
    values = {"@CD@": cd.as_uri(), "@KEY@": (cd.parent / "archive-key.asc").as_uri(), "@PORT@": str(port)}
    text = (HERE / "demo.tdl.in").read_text()
    for mark, value in values.items():
        text = text.replace(mark, value.replace("&", "&amp;"))
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
