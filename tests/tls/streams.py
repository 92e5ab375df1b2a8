# SPDX-License-Identifier: Apache-2.0
"""Many streams over TLS at a time, and the SDKs as applications use them."""

import os
import subprocess
import threading

from tap import Skip, equal
from world import SLOW, TlsGate, authority, chat

STREAMS = 200


def many(upstream):
    """Two hundred streams at a time, each whole and its own."""
    with TlsGate(upstream) as gate:
        bodies, lock = {}, threading.Lock()

        def one(number):
            with gate.connect() as connection:
                connection.chat(gate.keys["app"], chat(SLOW, stream=True, content=f"call-{number}"))
                answer = connection.response()
                with lock:
                    bodies[number] = answer.body

        threads = [threading.Thread(target=one, args=(n,)) for n in range(STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(len(bodies), STREAMS, "answers")
        for number, body in bodies.items():
            assert body.endswith(b"data: [DONE]\n\n"), f"{number}: {body[-100:]}"
            assert f'"content":"call-{number}"'.encode() in body, f"{number}: not its own"
            equal(body.count(b" w"), 60, f"{number}: words")
        gate.wait_rows(STREAMS)
        equal({row["outcome"] for row in gate.request_rows()}, {"ok"}, "outcomes")


PYTHON = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
ask = dict(model="text", messages=[{"role": "user", "content": "hi"}])
whole = client.chat.completions.create(**ask).choices[0].message.content
parts = client.chat.completions.create(stream=True, **ask)
print(whole == "".join(c.choices[0].delta.content or "" for c in parts if c.choices), whole)
"""
NODE = """
const { createRequire } = require('node:module');
const { default: OpenAI } = createRequire(process.env.TIDEGATE_NODE_MODULES + '/')('openai');
const [baseURL, apiKey] = process.argv.slice(1);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const ask = { model: 'text', messages: [{ role: 'user', content: 'hi' }] };
(async () => {
	const whole = (await client.chat.completions.create(ask)).choices[0].message.content;
	let parts = '';
	for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
		parts += chunk.choices[0]?.delta.content ?? '';
	console.log(whole === parts ? 'True' : 'False', whole);
})();
"""


def sdk(upstream, program, *arguments, **env):
    if not program or not os.access(program, os.X_OK):
        raise Skip("the SDK's interpreter is not installed; tests/run does that")
    with TlsGate(upstream) as gate:
        url = f"https://localhost:{gate.api_port}/v1"
        done = subprocess.run(
            [program, *arguments, url, gate.keys["app"]],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=60,
        )
        equal(done.stdout.strip(), "True hi w1 w2 w3 w4", f"answers; {done.stderr[-500:]}")


def python_sdk(upstream):
    program = os.environ.get("TIDEGATE_PYTHON")
    sdk(upstream, program, "-c", PYTHON, SSL_CERT_FILE=str(authority().file))


def node_sdk(upstream):
    program = os.environ.get("TIDEGATE_NODE")
    sdk(upstream, program, "-e", NODE, "--", NODE_EXTRA_CA_CERTS=str(authority().file))


def register(suite, upstream):
    for check in (many, python_sdk, node_sdk):
        suite.check(f"streams/{check.__name__}", check, upstream)
