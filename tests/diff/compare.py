# SPDX-License-Identifier: Apache-2.0
"""What may differ between our reading and another's, and what must not.

We may refuse what another takes, for a reason that is named here. Where we take a message, the
other must take it too, and see the same line, fields, body and end: else a chain of the two could
be made to see a request that one of them did not. The few places where we deliberately go further
are named, each with what makes it safe.
"""

import re

# Our own refusal -> why it may be stricter than another's reading. A code that is not here is no
# reason: the other reader must refuse too.
STRICTER_REQUESTS = {
    "bad_request_line": "RFC 9112, 3.2: where a target should be, a byte that none has",
    "bad_target": "RFC 9112, 3.2: a target is of the four forms, and without raw < > \" # \\ or obs-text",
    "target_too_long": "RFC 9110, 15.5.15: a limit of ours",
    "connect_not_served": "RFC 9110, 9.3.6: a gateway need not implement CONNECT",
    "version_not_served": "RFC 9110, 15.6.6: other versions than 1.0 and 1.1",
    "bad_line_end": "RFC 9112, 2.2: a bare LF as a line's end is a MAY, a bare CR is invalid",
    "folded_header": "RFC 9112, 5.2: a server MUST reject obs-fold or replace it",
    "headers_too_large": "RFC 6585, 5: a limit of ours",
    "too_many_headers": "RFC 6585, 5: a limit of ours",
    "bad_header_value": "RFC 9110, 5.5: control characters are dangerous, and rejected",
    "bad_host": "RFC 9112, 3.2: a server MUST reject an invalid Host",
    "bad_content_length": "RFC 9112, 6.3: a list of equal lengths MAY be rejected; 19 digits are a limit of ours",
    "repeated_content_length": "RFC 9112, 6.3: repeated, even with one value, MAY be rejected",
    "content_length_with_transfer_encoding": "RFC 9112, 6.3: ought to be handled as an error",
    "transfer_encoding_in_1_0": "RFC 9112, 6.1: its framing is faulty; closing is a MUST",
    "bad_connection_header": "RFC 9110, 7.6.1: a list of tokens",
    "expectation_not_met": "RFC 9110, 10.1.1: 417 to any but 100-continue",
    "bad_chunk": "RFC 9112, 7.1: no white space behind the size; 16 digits are a limit of ours",
    "chunk_extensions_too_large": "RFC 9112, 7.1.1: their total length ought to be limited",
    "bad_trailer": "RFC 9112, 7.1.2: field lines like those of a head, of which obs-fold and bare LF are none",
}  # fmt: skip
STRICTER_ANSWERS = {
    "a line of the head ends without CR": "RFC 9112, 2.2: a bare LF as a line's end is a MAY",
    "the status line is not HTTP/1": "RFC 9112, 2.3: other versions than 1.0 and 1.1",
    "the status line is malformed": "RFC 9112, 4: no control characters in a reason",
    "the status is out of range": "RFC 9110, 15: an invalid status is outside of 100 to 599",
    "the head has more than 128 headers": "RFC 9110, 5.4: a limit of ours",
    "content-length is given twice": "RFC 9112, 6.3: repeated, even with one value, MAY be rejected",
    "content-length is not a number": "RFC 9112, 6.3: a list of equal lengths MAY be rejected",
    "transfer-encoding is not chunked alone": "RFC 9112, 5.2: h11 unfolds a folded one, which we refuse",
    "content-length and transfer-encoding are both given": "RFC 9112, 6.3: ought to be handled as an error",
    "transfer-encoding in HTTP/1.0": "RFC 9112, 6.1: its framing is faulty",
    "a header is folded": "RFC 9112, 5.2: obs-fold is none of ours to repair",
    "a header's value has control characters": "RFC 9110, 5.5: dangerous, and rejected",
    "a chunk's size is too large": "RFC 9112, 7.1: recipients MUST anticipate large numbers",
    "a chunk's line is too long": "RFC 9112, 7.1.1: a limit of ours",
    "a chunk's extension has control characters": "RFC 9112, 7.1.1: tokens and quoted strings",
    "a chunk or its line has no proper end": "RFC 9112, 7.1: CR LF",
    "a trailer is malformed": "RFC 9112, 7.1.2: field lines, of which obs-fold and bare LF are none",
    "no-reuse-after-204": "RFC 9110, 8.6: a 204 with a length may be followed by a body; the connection ends",
}
# Where we take what h11 does not.
FURTHER = {
    "empty-line-before": "RFC 9112, 2.2: at least one empty line before a request line SHOULD be ignored",
    "old-keep-alive": "RFC 9112, 9.3: HTTP/1.0 with keep-alive persists; h11 has no such connections",
    "trailer-dropped": "RFC 9110, 6.5.1: trailer fields are discarded unread; h11 judges Content-Length and "
    "Transfer-Encoding among them, which frame nothing there",
}
# What Node says where it does not take what we take -> why that is no trick: it refuses, or it does
# not go on; it never takes another message. First of a head, then of a body.
NODE_HEAD = {
    "HPE_INVALID_METHOD": "RFC 9110, 9.1: any token; Node knows a list",
    "HPE_INVALID_VERSION": "the method PRI, which Node takes for HTTP/2's preface",
    "HPE_CLOSED_CONNECTION": "RFC 9110, 15.2: an interim answer is not the last, of HTTP/1.0 either",
    "": "RFC 9110, 7.8: Upgrade is ignored by us; behind it Node stops reading",
}
NODE_BODY = {
    "HPE_STRICT": "RFC 9112, 7.1.1: extensions are ignored; Node wants them well-formed",
    "HPE_INVALID_CHUNK_SIZE": "RFC 9112, 7.1: h11 and we take white space behind the size of an "
    "answer's chunk",
    "HPE_INVALID_CONTENT_LENGTH": "RFC 9110, 6.5.1: of a trailer; as trailer-dropped",
    "HPE_INVALID_TRANSFER_ENCODING": "RFC 9110, 6.5.1: of a trailer; as trailer-dropped; and of a "
    "request's coding with a tab behind it",
}
# Of an answer, Node does not see the coding then, and takes the chunks for a body without a length.
# RFC 9110, 5.5: white space around a value is not part of it. We frame what we pass on anew.
NODE_UNFRAMED = re.compile(rb"(?i)transfer-encoding:[ \t]*chunked *\t[ \t]*\r\n")


class Disagreement(AssertionError):
    """A second reader could be tricked."""


def same_target(mine, other):
    """absolute-form is reduced to origin-form, and its authority takes Host's place (RFC 9112,
    3.2.2)."""
    scheme, mark, rest = other.line[1].partition(b"://")
    if mine.line[1] == other.line[1] or not mark or scheme.lower() not in (b"http", b"https"):
        return mine.line[1] == other.line[1]
    authority, slash, path = rest.partition(b"/")
    return mine.host == authority and mine.line[1] == b"/" + path and (slash or not path)


def folded(headers):
    """h11 gives codings in lower case."""
    return [(n, v.lower() if n == b"transfer-encoding" else v) for n, v in headers]


def same_message(mine, other):
    """Both took it whole."""
    for what, a, b in (
        ("line", mine.line[:1], other.line[:1]),
        ("headers", folded(mine.headers), folded(other.headers)),
        ("body", mine.body, other.body),
        ("end", mine.end, other.end),
    ):
        if a != b:
            raise Disagreement(f"{what}: {a!r} and {b!r}")
    if len(mine.line) > 1 and not same_target(mine, other):
        raise Disagreement(f"target: {mine.line[1]!r} and {other.line[1]!r}")


def trailer_judged(theirs):
    """h11 refused a field of a trailer section that would frame a message in its head."""
    return theirs.messages and any(
        word in theirs.why for word in ("Content-Length", "Transfer-Encoding")
    )


def persistence(mine, other):
    """The name of a difference in keep-alive, or None."""
    if mine.keep_alive == other.keep_alive:
        return None
    if mine.keep_alive and other.old:
        return "old-keep-alive"
    if not mine.keep_alive and mine.line == (204,):
        return "no-reuse-after-204"
    raise Disagreement(f"keep-alive: {mine.keep_alive} and {other.keep_alive}")


def same_start(mine, other):
    """Both took the head; one of them has not seen the body's end."""
    if (mine.line[:1], folded(mine.headers)) != (other.line[:1], folded(other.headers)):
        raise Disagreement(f"head: {mine} and {other}")
    common = min(len(mine.body), len(other.body))
    if mine.body[:common] != other.body[:common]:
        raise Disagreement(f"body begins with {mine.body[:99]!r} and {other.body[:99]!r}")


def compare(mine, theirs, stricter, seen):
    """Raises Disagreement, or counts the named differences in `seen`."""
    seen["empty-line-before"] += theirs.empty_lines
    for index, message in enumerate(mine.messages):
        if index >= len(theirs.messages):
            raise Disagreement(f"head {index} is taken by us alone ({theirs.ended}: {theirs.why})")
        other = theirs.messages[index]
        same_start(message, other)
        if not message.complete:
            break
        if not other.complete:
            if not trailer_judged(theirs):
                raise Disagreement(
                    f"body {index} is whole for us alone ({theirs.ended}: {theirs.why})"
                )
            seen["trailer-dropped"] += 1
            return
        same_message(message, other)
        if name := persistence(message, other):
            seen[name] += 1
            return
    compare_ends(mine, theirs, stricter, seen)


def compare_ends(mine, theirs, stricter, seen):
    """Behind the messages that both took whole."""
    whole = sum(m.complete for m in mine.messages)
    they_take_more = sum(m.complete for m in theirs.messages) > whole
    if mine.ended == "bad":
        if they_take_more:
            if mine.why not in stricter:
                raise Disagreement(f"refused by us alone, without a named reason: {mine.why}")
            seen[mine.why] += 1
    elif they_take_more:
        raise Disagreement(f"message {whole} is whole for them alone")
    elif theirs.ended == "bad":
        # We wait for more of what h11 refuses already: nothing was taken.
        if mine.ended != "more":
            raise Disagreement(f"{mine.ended} for us, refused by them: {theirs.why}")
    elif mine.ended != theirs.ended:
        raise Disagreement(f"the end: {mine.ended} and {theirs.ended} ({theirs.why})")


def upgrades(message):
    """Whether Node, behind this head, tells no more of what is wrong, even in its body."""
    return any(name.lower() == b"upgrade" for name, _ in message.headers)


def compare_node(data, mine, theirs, seen):
    """Each message that we take is the same for Node, or Node refuses it by a name."""
    for index, message in enumerate(mine.messages):
        if not message.complete:
            return
        other = theirs.messages[index] if index < len(theirs.messages) else None
        if other is None or not other.complete:
            names = NODE_BODY if other else NODE_HEAD
            if theirs.why not in names and not (not theirs.why and upgrades(message)):
                raise Disagreement(f"message {index} is taken by us, but {theirs.why}")
            seen[theirs.why or "upgrade"] += 1
            return
        if len(message.line) == 1 and message.body != other.body and NODE_UNFRAMED.search(data):
            seen["tab-behind-coding"] += 1
            return
        other.end = message.end  # which Node does not tell: the next message does
        same_message(message, other)
    if sum(m.complete for m in theirs.messages) > len(mine.messages) and mine.ended != "bad":
        # "keep-alive, close" of HTTP/1.0: we close, and read nothing more.
        if mine.ended != "close" or not mine.messages[-1].old:
            raise Disagreement("they take more messages")
        seen["old-close"] += 1
