"""Watching a run: its page on this machine alone, made anew whenever the folder has changed.

Only two addresses are answered: / is the page, /version a number that changes when the page does. No file of the folder
is ever sent. A request must name this machine as its host: else a page of somebody else's, whose name its owner lets
lead to 127.0.0.1, could read the report (DNS rebinding).
"""

import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from minigan.errors import FileError, MiniganError
from minigan.files import reason
from minigan.report.reading import read_record
from minigan.report.writing import report_text

HOST = "127.0.0.1"
SEEN = (
    *("config.json", "history.csv", "metrics.csv", "notes.txt", "evaluation.json", "evaluation_raw.json"),
    *("sharpness.csv", ".lock"),
)


def serve(run, port, say):
    """Serve the page of a run until Ctrl-C, then return.

    port       0 takes any that is free
    say        a function that is called with the address once it answers
    Errors     CheckpointError if the folder is not one of a run; FileError if the port is taken
    """
    read_record(run)
    with make_server(run, port) as server:
        try:
            say(f"http://{HOST}:{server.server_port}/")
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            return


def make_server(run, port):
    """Return a server for the page of a run, which listens, but does not answer yet."""
    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise FileError(
            f"cannot serve at port {port}: {reason(error)}. Does another program use it? Choose another one: --port 0 "
            "takes any that is free."
        ) from error
    server.daemon_threads = True
    server.page = Page(run)
    return server


class Page:
    """The page of a run that goes on: its text is made when the folder has changed, and kept until it changes again."""

    def __init__(self, run):
        self.run, self.lock = run, threading.Lock()
        self.made_from, self.text = None, None

    def version(self):
        """Return a number of what the page depends on: sizes and times of the files, not what is in them."""
        parts = []
        for name in (*SEEN, "samples", ""):
            try:
                status = os.stat(self.run / name)
                parts.append(f"{name} {status.st_size} {status.st_mtime_ns}")
            except OSError:
                parts.append(f"{name} -")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def current(self):
        """Return (version, text) of the page as the folder is now."""
        with self.lock:
            version = self.version()
            if version != self.made_from:
                self.text, self.made_from = report_text(self.run, refresh=True), version
            return version, self.text


class Handler(BaseHTTPRequestHandler):
    """Answers GET of the page and of its version, from this machine only."""

    server_version, sys_version = "minigan", ""
    timeout = 20  # seconds for a request

    def do_GET(self):
        port = self.server.server_port
        if self.headers.get("Host", "") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self.answer(403, "text/plain", "This page answers only at the address that minigan printed.\n")
        elif self.path == "/version":
            self.answer(200, "text/plain", self.server.page.version())
        elif self.path in ("/", "/index.html"):
            try:
                version, text = self.server.page.current()
            except MiniganError as error:  # the folder was moved away, say
                self.answer(503, "text/plain", f"{error}\n")
                return
            self.answer(200, "text/html", text, version)
        else:
            self.answer(404, "text/plain", "There is only the page itself, at /.\n")

    def answer(self, status, kind, text, version=None):
        content = text.encode("utf-8", "backslashreplace")
        try:
            self.send_response(status)
            for name, value in (
                ("Content-Type", f"{kind}; charset=utf-8"),
                ("Content-Length", str(len(content))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
                ("Cross-Origin-Resource-Policy", "same-origin"),
                ("Referrer-Policy", "no-referrer"),
                *((("X-Version", version),) if version else ()),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # the reader has gone

    def log_message(self, *arguments):
        """Write nothing: a line for each look at the version would fill the terminal."""
