# SPDX-License-Identifier: Apache-2.0
"""What the scripted upstream answers: pure functions from a request to the bytes and timing of
its answer.

The model name chooses, so that a test scripts an upstream by naming a model. A name is SCENARIO
or SCENARIO.OPTION-N…, as `text.words-30.between-5`; the options are words (content pieces after
the first, default 4), first (ms before the status line) and between (ms before each further
piece).

  text              the last message's text, then ` w1 w2 …`
  tools             calls the first tool twice and the second once, arguments in pieces
  json              a JSON object with the prompt in it
  cached            as text; half of the prompt tokens are cache reads
  cache-write       as text; 3 of 8 prompt tokens are cache reads, 2 of 8 writes (Messages)
  usage-in-choices  usage rides on a chunk with choices, and no usage-only chunk follows
  no-usage          never says what it used
  unknown-fields    as text, with fields and whitespace no client knows
  split             as text, in transfer chunks of seven bytes that respect no event
  bytes             as text, one byte a write
  comments          as text, with a `: comment` line at the head of each event
  large             100 KB of content
  until-close       as text, with no length: the end of the connection is the end of the body
  until-close-cut   as that, with the first pieces of it
  close             as text, then the connection is closed although nothing said so
  slow              as text; first is 1000 unless given
  stall             the first pieces, then silence until the client leaves
  silent            no byte at all until the client leaves
  cut               the first pieces of a stream, then the connection ends before the terminal event
  cut-inside        as cut, in the middle of an event
  cut-early         the status line and headers of a stream, then the end
  reset             the connection is reset in place of an answer
  error-first       200, a stream that begins with an error event
  error-role        200, a lifecycle event without content, then an error event
  error-mid         200, content, then an error event
  status-N          the error status N in the provider's shape, its message `upstream says N` and
                    the words that are asked for; 429, 529: `retry-after: 7`
  odd-WHAT          what no model answers, or what one does answer in an unusual head: see odd()

A last message whose text is a JSON object with one member `answers` scripts the answer itself, so
that models can bear their real names. `answers` maps the model that was asked for, or "*", to
{"scenario"?, "usage"?, "start"?, "delta"?}: `usage` is what the answer says it used; `start` and
`delta` are what message_start and message_delta of a Messages stream say, where that is not the
same with one output token, and the output tokens.

Usage: prompt tokens are the UTF-8 bytes of all message texts plus 3; completion tokens are the
pieces of content (and of tool arguments) the whole answer has, though a client may see fewer.
"""

import dataclasses
import gzip
import hashlib
import json

ERRORS = {  # status: (OpenAI type, OpenAI code, Anthropic type)
    400: ("invalid_request_error", "context_length_exceeded", "invalid_request_error"),
    401: ("invalid_request_error", "invalid_api_key", "authentication_error"),
    403: ("invalid_request_error", "unsupported_country_region_territory", "permission_error"),
    404: ("invalid_request_error", "model_not_found", "not_found_error"),
    413: ("invalid_request_error", None, "request_too_large"),
    422: ("invalid_request_error", None, "invalid_request_error"),
    429: ("insufficient_quota", "insufficient_quota", "rate_limit_error"),
    500: ("server_error", None, "api_error"),
    502: ("server_error", None, "api_error"),
    503: ("server_error", "service_unavailable", "api_error"),
    529: ("server_error", "overloaded", "overloaded_error"),
}
CHAT, MESSAGES, RESPONSES = "chat", "messages", "responses"
CREATED = 1700000000


@dataclasses.dataclass
class Plan:
    """An answer: how it is framed, its pieces, when they go out, how it ends."""

    status: int = 200
    headers: tuple = ()
    pieces: list = dataclasses.field(default_factory=list)
    stream: bool = False
    framing: str = "length"  # length, chunked, close, none
    unit: int = 0  # cut into chunks of this many bytes; 0: one chunk a piece
    byte_writes: bool = False
    first_s: float = 0.0
    between_s: float = 0.0
    ending: str = "keep"  # keep, close, cut, stall, silent, reset
    usage: dict = None


@dataclasses.dataclass
class Ask:
    """A request as far as an answer depends on it."""

    dialect: str
    body: dict
    scenario: str
    options: dict
    script: dict = dataclasses.field(default_factory=dict)

    @property
    def model(self):
        return self.body["model"]

    @property
    def stream(self):
        return bool(self.body.get("stream"))

    @property
    def wants_usage(self):
        return bool((self.body.get("stream_options") or {}).get("include_usage"))

    @property
    def texts(self):
        """The texts of all messages, the system prompt of Messages among them."""
        first = {MESSAGES: "system", RESPONSES: "instructions"}.get(self.dialect)
        parts = [self.body.get(first) or ""] if first else []
        parts += [m.get("content") or "" for m in messages(self.dialect, self.body)]
        return [p if isinstance(p, str) else "".join(b.get("text", "") for b in p) for p in parts]

    @property
    def id(self):
        return hashlib.sha256("\0".join([self.model, *self.texts]).encode()).hexdigest()[:24]

    def pieces(self):
        """The content, piece by piece."""
        if self.scenario == "large":
            return [("0123456789abcdef" * 64)] * 100
        if self.scenario == "json":
            return ['{"answer": ', json.dumps(self.texts[-1]), ', "list": [1, 2, 3]', "}"]
        return [self.texts[-1]] + [f" w{n}" for n in range(1, self.options.get("words", 4) + 1)]

    def says(self, status):
        words = range(1, self.options.get("words", 0) + 1)
        return f"upstream says {status}" + "".join(f" w{n}" for n in words)

    def calls(self):
        """Tool calls as (name, id, arguments in pieces)."""
        tools = [t.get("function", t)["name"] for t in self.body.get("tools") or []]
        if self.scenario != "tools" or not tools:
            return []
        chosen = [tools[0], tools[0]] + tools[1:2]
        prefix = "toolu" if self.dialect == MESSAGES else "call"
        return [
            (name, f"{prefix}_{self.id[:8]}{n}", ['{"city": ', f'"c{n}"', ', "n": ', f"{n}", "}"])
            for n, name in enumerate(chosen)
        ]


def messages(dialect, body):
    """The messages of a request; those of Responses may be one text."""
    if dialect != RESPONSES:
        return body["messages"]
    given = body.get("input") or ""
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def ask(dialect, body):
    """Reads what scripts the answer to a parsed request: its last message, else its model name."""
    text = messages(dialect, body)[-1].get("content")
    if isinstance(text, str) and text.startswith('{"answers":'):
        scripts = json.loads(text)["answers"]
        script = scripts.get(body["model"]) or scripts["*"]
        return Ask(dialect, body, script.get("scenario", "text"), {}, script)
    scenario, *options = body["model"].split(".")
    pairs = (option.split("-") for option in options)
    return Ask(dialect, body, scenario, {name: int(value) for name, value in pairs})


def tokens(what):
    """(prompt, cache reads, cache writes, completion) of an answer."""
    prompt = sum(len(t.encode()) for t in what.texts) + 3
    calls = what.calls()
    out = sum(len(parts) for _, _, parts in calls) if calls else len(what.pieces())
    if what.scenario == "cached":
        return prompt, prompt // 2, 0, out
    if what.scenario == "cache-write":
        return prompt, prompt * 3 // 8, prompt * 2 // 8, out
    return prompt, 0, 0, out


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def plan(dialect, body):
    """The whole answer to a parsed request."""
    what = ask(dialect, body)
    maker = MAKERS[dialect](what)
    first_s = what.options.get("first", 1000 if what.scenario == "slow" else 0) / 1000
    if what.scenario.startswith("status-"):
        made = error_plan(maker, int(what.scenario.removeprefix("status-")))
        made.first_s = first_s
        return made
    made = Plan(usage=maker.usage(), stream=what.stream)
    if what.stream:
        made.headers = (
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache"),
        )
        made.framing, made.pieces = "chunked", maker.events()
    else:
        made.headers, made.pieces = (("content-type", "application/json"),), [maker.document()]
    made.first_s = first_s
    made.between_s = what.options.get("between", 0) / 1000
    if what.scenario.startswith("odd-"):
        return odd(made, what.scenario.removeprefix("odd-"))
    return bend(made, maker)


def odd(made, what):
    """An answer with the head or the framing that `what` names."""
    page = b"<!doctype html><title>Welcome</title>"
    if what.isdecimal():
        more = (("location", "/elsewhere"),) if what.startswith("3") else ()
        made.status, made.headers, made.pieces = int(what), made.headers + more, []
        made.framing = "none" if what in ("101", "204", "304") else "length"
    elif what == "page":
        made.headers, made.pieces = (("content-type", "text/html; charset=utf-8"),), [page]
        made.framing = "length"
    elif what.startswith("empty-"):
        made.pieces, made.framing = [], what.removeprefix("empty-")
        made.ending = "close" if made.framing == "close" else "keep"
    elif what == "gzip":
        made.headers += (("content-encoding", "gzip"),)
        made.pieces = [gzip.compress(b"".join(made.pieces))]
    elif what == "gzip-identity":
        made.headers += (("content-encoding", "gzip"), ("content-encoding", "identity"))
        made.pieces = [gzip.compress(b"".join(made.pieces))]
    elif what == "identity":
        made.headers += (("Content-Encoding", "identity"),)
    elif what == "many-headers":
        made.headers += (("X-RateLimit-Limit-Requests", "1000"),)
        made.headers += tuple((f"x-ratelimit-limit-{n}", "1000") for n in range(60))
    elif what == "untyped":
        made.headers = ()
    elif what.startswith("type-"):
        kind = what.removeprefix("type-").replace("-", "/", 1)
        made.headers = (("Content-Type", kind),)
    else:
        raise ValueError(f"no scenario odd-{what}")
    return made


def error_plan(maker, status):
    headers = [("content-type", "application/json"), ("x-request-id", f"req_{maker.ask.id[:12]}")]
    if status in (429, 529):
        headers.append(("retry-after", "7"))
    return Plan(status=status, headers=tuple(headers), pieces=[maker.error(status)])


def bend(made, maker):
    """Applies what a scenario does to a well-behaved answer."""
    scenario = maker.ask.scenario
    if scenario == "bytes":
        made.byte_writes = True
    elif scenario == "split":
        made.unit, made.framing = 7, "chunked"
    elif scenario == "until-close":
        made.framing, made.ending = "close", "close"
    elif scenario == "until-close-cut":
        made.framing, made.ending = "close", "close"
        made.pieces = head_of(made, maker)
    elif scenario == "close":
        made.ending = "close"
    elif scenario in ("reset", "silent"):
        made.pieces, made.ending = [], scenario
    elif scenario == "stall":
        made.pieces, made.ending = head_of(made, maker), "stall"
    elif scenario == "cut":
        made.pieces, made.ending = head_of(made, maker), "cut"
    elif scenario == "cut-inside":
        made.pieces, made.ending = head_of(made, maker), "cut"
        made.pieces[-1] = made.pieces[-1][:-9]
    elif scenario == "cut-early":
        made.pieces, made.ending = [], "cut"
    elif scenario == "comments" and made.stream:
        made.pieces = [b": comment\n" + piece for piece in made.pieces]
    elif scenario.startswith("error-") and made.stream:
        made.pieces = made.pieces[
            : {"first": 0, "role": maker.lead, "mid": maker.lead + 2}[scenario[6:]]
        ]
        made.pieces.append(maker.error_event(500))
    return made


def head_of(made, maker):
    """An answer's beginning: two pieces of content of a stream, half of a document."""
    if made.stream:
        return made.pieces[: maker.lead + 2]
    return [made.pieces[0][: len(made.pieces[0]) // 2]]


class ChatMaker:
    """OpenAI Chat Completions."""

    lead = 1  # events before the first content

    def __init__(self, what):
        self.ask = what

    def usage(self):
        if "usage" in self.ask.script:
            return self.ask.script["usage"]
        prompt, cached, _, out = tokens(self.ask)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": out,
            "total_tokens": prompt + out,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    def says_usage(self):
        return self.ask.scenario != "no-usage" and (not self.ask.stream or self.ask.wants_usage)

    def _top(self, kind):
        top = {
            "id": f"chatcmpl-{self.ask.id}",
            "object": kind,
            "created": CREATED,
            "model": self.ask.model,
        }
        if self.ask.scenario == "unknown-fields":
            top["zz_unknown"] = {"b": [1.50, 1e3], "a": "é\u2028"}
        return top

    def document(self):
        message = {"role": "assistant", "content": "".join(self.ask.pieces()), "refusal": None}
        calls = [
            {
                "id": call,
                "type": "function",
                "function": {"name": name, "arguments": "".join(parts)},
            }
            for name, call, parts in self.ask.calls()
        ]
        if calls:
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish()}
        body = {**self._top("chat.completion"), "choices": [choice]}
        if self.says_usage():
            body["usage"] = self.usage()
        if self.ask.scenario == "unknown-fields":
            return json.dumps(body, indent=3).encode()
        return compact(body)

    def _finish(self):
        return "tool_calls" if self.ask.calls() else "stop"

    def chunk(self, delta, finish=None, **more):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self.raw_chunk([choice], **more)

    def raw_chunk(self, choices, **more):
        body = {**self._top("chat.completion.chunk"), "choices": choices, **more}
        return b"data: " + compact(body) + b"\n\n"

    def events(self):
        null = {"usage": None} if self.says_usage() else {}
        made = [self.chunk({"role": "assistant", "content": ""}, **null)]
        if self.ask.calls():
            made += self._call_events(null)
        else:
            made += [self.chunk({"content": piece}, **null) for piece in self.ask.pieces()]
        made.append(self.chunk({}, self._finish(), **null))
        if self.ask.scenario == "usage-in-choices":
            made.append(self.raw_chunk([{"index": 0, "delta": {}}], usage=self.usage()))
        elif self.says_usage():
            made.append(self.raw_chunk([], usage=self.usage()))
        return made + [b"data: [DONE]\n\n"]

    def _call_events(self, null):
        for n, (name, call, parts) in enumerate(self.ask.calls()):
            head = {
                "index": n,
                "id": call,
                "type": "function",
                "function": {"name": name, "arguments": ""},
            }
            yield self.chunk({"tool_calls": [head]}, **null)
            for part in parts:
                yield self.chunk(
                    {"tool_calls": [{"index": n, "function": {"arguments": part}}]}, **null
                )

    def error(self, status):
        kind, code, _ = ERRORS[status]
        return json.dumps(
            {
                "error": {
                    "message": self.ask.says(status),
                    "type": kind,
                    "param": None,
                    "code": code,
                }
            },
            indent=2,
        ).encode()

    def error_event(self, status):
        kind, code, _ = ERRORS[status]
        error = {
            "message": "upstream failed inside the stream",
            "type": kind,
            "param": None,
            "code": code,
        }
        return b"data: " + compact({"error": error}) + b"\n\n"


class MessagesMaker:
    """Anthropic Messages. Usage is split into disjoint classes, and message_delta's is
    cumulative."""

    lead = 3

    def __init__(self, what):
        self.ask = what

    def usage(self):
        if "usage" in self.ask.script:
            return self.ask.script["usage"]
        prompt, read, write, out = tokens(self.ask)
        return {
            "input_tokens": prompt - read - write,
            "cache_creation_input_tokens": write,
            "cache_read_input_tokens": read,
            "output_tokens": out,
            "service_tier": "standard",
        }

    def _message(self, content, stop, usage):
        message = {
            "id": f"msg_{self.ask.id}",
            "type": "message",
            "role": "assistant",
            "model": self.ask.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }
        if self.ask.scenario == "unknown-fields":
            message["zz_unknown"] = {"b": [1.50, 1e3], "a": "é\u2028"}
        return message

    def document(self):
        content = [{"type": "text", "text": "".join(self.ask.pieces())}]
        calls = [
            {"type": "tool_use", "id": call, "name": name, "input": json.loads("".join(parts))}
            for name, call, parts in self.ask.calls()
        ]
        return compact(self._message(calls or content, self._stop(), self.usage()))

    def _stop(self):
        return "tool_use" if self.ask.calls() else "end_turn"

    @staticmethod
    def event(name, **more):
        return f"event: {name}\ndata: ".encode() + compact({"type": name, **more}) + b"\n\n"

    def events(self):
        start = self.ask.script.get("start", {**self.usage(), "output_tokens": 1})
        made = [self.event("message_start", message=self._message([], None, start))]
        if self.ask.calls():
            for n, (name, call, parts) in enumerate(self.ask.calls()):
                block = {"type": "tool_use", "id": call, "name": name, "input": {}}
                made += self._block(
                    n, block, [{"type": "input_json_delta", "partial_json": p} for p in parts]
                )
        else:
            deltas = [{"type": "text_delta", "text": piece} for piece in self.ask.pieces()]
            made += self._block(0, {"type": "text", "text": ""}, deltas)
        made.insert(2, self.event("ping"))
        delta = {"stop_reason": self._stop(), "stop_sequence": None}
        last = {"output_tokens": self.usage()["output_tokens"]}
        made.append(
            self.event("message_delta", delta=delta, usage=self.ask.script.get("delta", last))
        )
        return made + [self.event("message_stop")]

    def _block(self, index, block, deltas):
        yield self.event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            yield self.event("content_block_delta", index=index, delta=delta)
        yield self.event("content_block_stop", index=index)

    def error(self, status):
        error = {"type": ERRORS[status][2], "message": self.ask.says(status)}
        return compact({"type": "error", "error": error, "request_id": f"req_{self.ask.id[:12]}"})

    def error_event(self, status):
        return self.event(
            "error",
            error={"type": "overloaded_error", "message": "upstream failed inside the stream"},
        )


class ResponsesMaker:
    """OpenAI Responses. Cached tokens are a part of the input, as in Chat Completions."""

    lead = 4

    def __init__(self, what):
        self.ask = what
        self.count = 0

    def usage(self):
        if "usage" in self.ask.script:
            return self.ask.script["usage"]
        prompt, cached, _, out = tokens(self.ask)
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + out,
        }

    @property
    def id(self):
        return f"resp_{self.ask.id}"

    def response(self, status, output=(), usage=None, error=None):
        body = self.ask.body
        made = {
            "id": self.id,
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "background": bool(body.get("background")),
            "error": error,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "model": self.ask.model,
            "output": list(output),
            "parallel_tool_calls": True,
            "previous_response_id": body.get("previous_response_id"),
            "store": body.get("store", True) is not False,
            "temperature": 1.0,
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": body.get("tools") or [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": usage,
            "metadata": {},
        }
        if self.ask.scenario == "unknown-fields":
            made["zz_unknown"] = {"b": [1.50, 1e3], "a": "é\u2028"}
        return made

    def message(self, text, status="completed"):
        part = {"type": "output_text", "text": text, "annotations": []}
        return {
            "id": f"msg_{self.ask.id}",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [] if text is None else [part],
        }

    @staticmethod
    def call(name, call, text, status="completed"):
        return {
            "id": f"fc_{call}",
            "type": "function_call",
            "status": status,
            "call_id": call,
            "name": name,
            "arguments": text,
        }

    def output(self):
        calls = self.ask.calls()
        if calls:
            return [self.call(name, call, "".join(parts)) for name, call, parts in calls]
        return [self.message("".join(self.ask.pieces()))]

    def completed(self):
        usage = None if self.ask.scenario == "no-usage" else self.usage()
        return self.response("completed", self.output(), usage)

    def document(self):
        queued = self.ask.body.get("background")
        return compact(self.response("queued") if queued else self.completed())

    def event(self, kind, /, **more):
        body = {"type": kind, "sequence_number": self.count, **more}
        self.count += 1
        return f"event: {kind}\ndata: ".encode() + compact(body) + b"\n\n"

    def events(self):
        begun = self.response("in_progress")
        made = [self.event(f"response.{name}", response=begun) for name in ("created", "in_progress")]
        if self.ask.calls():
            for n, (name, call, parts) in enumerate(self.ask.calls()):
                made += self._call_events(n, name, call, parts)
        else:
            made += self._text_events()
        return [*made, self.event("response.completed", response=self.completed())]

    def _text_events(self):
        where = {"item_id": f"msg_{self.ask.id}", "output_index": 0, "content_index": 0}
        text = "".join(self.ask.pieces())
        item = self.message(None, "in_progress")
        part = {"type": "output_text", "text": "", "annotations": []}
        yield self.event("response.output_item.added", output_index=0, item=item)
        yield self.event("response.content_part.added", **where, part=part)
        for piece in self.ask.pieces():
            yield self.event("response.output_text.delta", **where, delta=piece, logprobs=[])
        yield self.event("response.output_text.done", **where, text=text, logprobs=[])
        yield self.event("response.content_part.done", **where, part={**part, "text": text})
        yield self.event("response.output_item.done", output_index=0, item=self.message(text))

    def _call_events(self, index, name, call, parts):
        where = {"item_id": f"fc_{call}", "output_index": index}
        kind = "response.function_call_arguments"
        text = "".join(parts)
        item = self.call(name, call, "", "in_progress")
        yield self.event("response.output_item.added", output_index=index, item=item)
        for part in parts:
            yield self.event(f"{kind}.delta", **where, delta=part)
        yield self.event(f"{kind}.done", **where, name=name, arguments=text)
        item = self.call(name, call, text)
        yield self.event("response.output_item.done", output_index=index, item=item)

    def error(self, status):
        return ChatMaker(self.ask).error(status)

    def error_event(self, status):
        error = {"code": "server_error", "message": "upstream failed inside the stream"}
        return self.event("response.failed", response=self.response("failed", error=error))


MAKERS = {CHAT: ChatMaker, MESSAGES: MessagesMaker, RESPONSES: ResponsesMaker}


class Kept:
    """Responses that were stored: what GET, DELETE, cancel and input_items answer. A background
    one is in progress when it is asked for the first time, and completed from then on."""

    def __init__(self):
        self.makers, self.asked, self.cancelled = {}, {}, set()

    def clear(self):
        self.__init__()

    def take(self, body):
        """Remembers what a request is about to be answered with."""
        if body.get("store") is not False:
            maker = ResponsesMaker(ask(RESPONSES, body))
            self.makers[maker.id], self.asked[maker.id] = maker, 0

    def response(self, id_):
        maker = self.makers[id_]
        if id_ in self.cancelled:
            return maker.response("cancelled")
        self.asked[id_] += 1
        if maker.ask.body.get("background") and self.asked[id_] == 1:
            return maker.response("in_progress")
        return maker.completed()

    def stream(self, id_, after):
        """All events behind the one of that number."""
        maker = ResponsesMaker(self.makers[id_].ask)
        pieces = maker.events()[after + 1 :]
        headers = (("content-type", "text/event-stream; charset=utf-8"),)
        return Plan(headers=headers, pieces=pieces, stream=True, framing="chunked")

    def plan(self, method, parts, query):
        """The answer to a call about one; `parts` are those of its path."""
        id_, what = parts[0], "/".join(parts[1:])
        if id_ not in self.makers:
            return json_plan(404, missing(id_))
        if (method, what) == ("GET", "input_items"):
            data = [
                {"id": f"in_{n}", "type": "message", **m}
                for n, m in enumerate(messages(RESPONSES, self.makers[id_].ask.body))
            ]
            return json_plan(200, {"object": "list", "data": data, "has_more": False})
        if (method, what) == ("POST", "cancel"):
            self.cancelled.add(id_)
        elif (method, what) == ("DELETE", ""):
            del self.makers[id_]
            return json_plan(200, {"id": id_, "object": "response", "deleted": True})
        elif (method, what) != ("GET", ""):
            return json_plan(404, missing(id_))
        elif query.get("stream") == ["true"]:
            return self.stream(id_, int(query.get("starting_after", ["-1"])[0]))
        return json_plan(200, self.response(id_))


def missing(id_):
    message = f"Response with id '{id_}' not found."
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}


def json_plan(status, value):
    headers = (("content-type", "application/json"),)
    return Plan(status=status, headers=headers, pieces=[json.dumps(value).encode()])


def compaction(body):
    """What /v1/responses/compact answers."""
    maker = ResponsesMaker(ask(RESPONSES, body))
    if maker.ask.scenario.startswith("status-"):
        return error_plan(maker, int(maker.ask.scenario.removeprefix("status-")))
    item = {"id": f"cmp_{maker.ask.id}", "type": "compaction", "encrypted_content": "gAAAA"}
    made = {"id": maker.id, "object": "response.compaction", "created_at": CREATED}
    answer = json_plan(200, {**made, "output": [item], "usage": maker.usage()})
    answer.usage = maker.usage()
    return answer


MODELS = {
    "object": "list",
    "data": [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "upstream"}
        for name in ("text", "tools", "json")
    ],
}
