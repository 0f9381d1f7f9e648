# SPDX-License-Identifier: Apache-2.0
"""A web service on this machine that answers as it is told, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer:
    def __init__(self, content=None, code=200, headers=None, wait_s=0.0, raw=None):
        self.body = json.dumps(content).encode() if raw is None else raw
        self.code, self.headers, self.wait_s = code, headers or {}, wait_s


class Service:
    """Answers a path with what `answers` has for its beginning: an Answer, or several in turn."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.base = ""

    def answer(self, path):
        for beginning, found in self.answers.items():
            if path.startswith(beginning):
                if isinstance(found, list):
                    return found.pop(0) if len(found) > 1 else found[0]
                return found(path) if callable(found) else found
        return Answer({"error": {"code": "404 Not Found", "message": "no such path"}}, 404)


@contextmanager
def served():
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            service.asked.append((self.path, dict(self.headers)))
            answer = service.answer(self.path)
            time.sleep(answer.wait_s)
            try:
                self.send_response(answer.code)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:
                pass  # who asked has not waited

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
