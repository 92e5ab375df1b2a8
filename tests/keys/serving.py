# SPDX-License-Identifier: Apache-2.0
"""A server of a test's own on a loopback port, as long as its block lasts."""

import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Serving:
    def __init__(self, handler, path=""):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{path}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
