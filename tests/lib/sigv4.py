# SPDX-License-Identifier: Apache-2.0
"""AWS Signature Version 4 from the server's side: what a request's signature should be, by the
algorithm of AWS's documentation, from the bytes that came."""

import calendar
import hashlib
import hmac
import re
import time
import urllib.parse

FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def _sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _query(query):
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join(f"{name}={value}" for name, value in sorted((n, v) for n, _, v in pairs))


def verify(method, target, fields, body, secret_key, now):
    """Asserts that the request is signed with `secret_key`, at this time, and returns (access key,
    region, service, signed names). `fields` maps lower-case names to lists of values."""
    (given,) = fields["authorization"]
    found = FORM.fullmatch(given)
    assert found, f"not of the form: {given!r}"
    access_key, day, region, service, names, signature = found.groups()
    signed = names.split(";")
    assert signed == sorted(set(signed)), f"names out of order: {names}"
    needed = {n for n in fields if n in ("host", "content-type") or n.startswith("x-amz-")}
    assert needed <= set(signed), f"{needed - set(signed)} is not signed"
    (date,) = fields["x-amz-date"]
    assert date.startswith(day) and abs(_seconds(date) - now) < 300, f"signed for {date}"
    path, _, query = target.partition("?")
    heads = "".join(f"{n}:{','.join(' '.join(v.split()) for v in fields[n])}\n" for n in signed)
    request = "\n".join(
        (
            method,
            urllib.parse.quote(path, safe="/-_.~"),
            _query(query),
            heads,
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    key = _sign(b"AWS4" + secret_key.encode(), day)
    for word in (region, service, "aws4_request"):
        key = _sign(key, word)
    wanted = _sign(key, f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}").hex()
    assert signature == wanted, f"the signature of {request!r} is {wanted}, not {signature}"
    return access_key, region, service, signed


def _seconds(date):
    return calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
