# SPDX-License-Identifier: Apache-2.0
"""The gateway among peers that break their contracts: plugins, upstreams, whoever starts it wrong.

This file holds the world of those checks: a daemon whose plugins may be compiled here, and an
upstream of plain bytes that says exactly what a check wants, at the moment it wants it.
"""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

import tidegate
from tidegate import Tidegate, program
from wire import Connection

HERE = pathlib.Path(__file__).resolve().parent
CHAT = "/v1/chat/completions"
PROMPT = "what nobody may log"


def chunk(delta, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    body = {"id": "c", "object": "chat.completion.chunk", "choices": [choice], **more}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


ROLE, CONTENT, DONE = (
    chunk({"role": "assistant"}),
    chunk({"content": "said"}),
    b"data: [DONE]\n\n",
)
EVENTS = b"content-type: text/event-stream\r\n"


def head(status=200, fields=b""):
    return b"HTTP/1.1 %d X\r\n" % status + fields + b"\r\n"


def chunked(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class RawUpstream:
    """A server of plain bytes. `scripts` maps a model to a function of (socket, request body),
    after which the connection is closed; `asked` lists the models in order."""

    def __init__(self, scripts, certificate=None):
        """With a certificate, (chain, key), it speaks TLS."""
        self.scripts, self.asked, self.context = scripts, [], None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with contextlib.suppress(OSError, ValueError), peer:
            if self.context:
                with self.context.wrap_socket(peer, server_side=True) as secure:
                    self._answer(secure)
                    secure.unwrap()
            else:
                self._answer(peer)

    def _answer(self, peer):
        with contextlib.suppress(ConnectionError, ValueError, KeyError):
            data = b""
            while b"\r\n\r\n" not in data:
                data += peer.recv(65536) or self._gone()
            front, _, body = data.partition(b"\r\n\r\n")
            body = bytearray(body)  # to which a piece of a large one is added in place
            fields = dict(
                line.lower().split(b": ", 1) for line in front.split(b"\r\n")[1:]
            )
            while len(body) < int(fields[b"content-length"]):
                body += peer.recv(65536) or self._gone()
            request = json.loads(body)
            self.asked.append(request["model"])
            self.scripts[request["model"]](peer, request)

    @staticmethod
    def _gone():
        raise ConnectionError

    def url(self, path="/v1"):
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}{path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A thread that waits in accept() keeps the socket listening: it is woken first.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def wait_closed(peer):
    """Until the other side has left."""
    while peer.recv(65536):
        pass


class PluginGate(Tidegate):
    """A daemon that also loads the plugin of gateway-plugin.c."""

    def __init__(self, **settings):
        self.folder = pathlib.Path(
            tempfile.mkdtemp(prefix="plugins-", dir=os.environ.get("TIDEGATE_TMP"))
        )
        for built in (tidegate.build_dir() / "plugins").glob("provider-*.so"):
            shutil.copy(built, self.folder)
        compile_plugin("gateway-plugin.c", self.folder / "provider-misbehaves.so")
        super().__init__(**settings)

    def plugin_folder(self):
        return self.folder

    def close(self):
        super().close()
        shutil.rmtree(self.folder)


def compile_plugin(source_name, path, *more):
    source = pathlib.Path(os.environ.get("TIDEGATE_SRC") or HERE.parents[1])
    checked = b"__asan_init" in program("tidegated").read_bytes()
    command = [
        "cc",
        "-std=gnu17",
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Wno-unused-parameter",
    ]
    command += ["-Werror", "-shared", "-fPIC", "-I", source / "core" / "include"]
    command += ["-fsanitize=address,undefined"] if checked else []
    subprocess.run([*command, *more, "-o", path, HERE / source_name], check=True)


class Checks:
    """What the checks share: a running daemon, and calls to it."""

    def __init__(self, gate, upstream):
        self.gate, self.upstream = gate, upstream

    def ask(self, model, stream=False, target=CHAT, **more):
        body = {
            "model": model,
            "stream": stream,
            "messages": [{"role": "user", "content": PROMPT}],
        }
        with Connection(self.gate.api_port) as connection:
            return connection.ask(
                self.gate.keys["app"], {**body, **more}, target=target
            )

    def row(self, answer):
        return self.gate.wait_request(answer.id)

    def attempts(self, answer):
        self.row(answer)
        return self.gate.attempts_of(answer.id)
