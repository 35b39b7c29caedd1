"""What the tests of minigan.data share: a mirror on 127.0.0.1 that can misbehave, sums, the names in a folder."""

import hashlib
import http.server
import threading


def md5(content):
    return hashlib.md5(content).hexdigest()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


class Mirror:
    """An HTTP server on 127.0.0.1. `pages`: path -> function(handler) that answers; what was asked is in `asked`."""

    def __init__(self):
        self.pages, self.asked = {}, []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.asked.append(self.path)
                mirror.pages.get(self.path, lambda handler: handler.send_error(404))(self)

            def log_message(self, *message):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def offer(self, folder, contents, answer=None, ending=".gz"):
        for name, content in contents.items():
            self.pages[f"/{folder}/{name}{ending}"] = (answer or whole)(content)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def whole(content, claimed_length=None):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(claimed_length or len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def broken_off(content):
    return whole(content[:-20], claimed_length=len(content))


def local_mirror(monkeypatch):
    """A Mirror for one test: a fixture yields from this."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = Mirror()
    yield server
    server.close()
