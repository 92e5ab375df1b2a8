# SPDX-License-Identifier: Apache-2.0
"""An identity provider for tests: keys and signatures by `openssl`, and a server that publishes them."""

import base64
import hashlib
import hmac
import json
import pathlib
import time

from authority import openssl
from serving import Handler, Serving

MAKE = {
    "RS256": "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    "ES256": "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    "ES384": "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
    "EdDSA": "genpkey -algorithm ED25519",
}
PSS = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1"
SIGN = {
    "RS256": "dgst -sha256 -sign",
    "PS256": f"dgst -sha256 {PSS} -sign",
    "RS512": "dgst -sha512 -sign",
    "ES256": "dgst -sha256 -sign",
    "ES384": "dgst -sha384 -sign",
}
ISSUER, AUDIENCE = "https://id.example/realms/staff", "tidegate"


def encode(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def side_by_side(der, size):
    """r and s of a DER signature, of one size."""
    at, parts = 2 + (der[1] == 0x81), []
    for _ in range(2):
        length = der[at + 1]
        parts.append(int.from_bytes(der[at + 2 : at + 2 + length]).to_bytes(size))
        at += 2 + length
    return b"".join(parts)


class Key:
    """One key pair; `kind` is the algorithm it was made for."""

    def __init__(self, folder, kind, kid):
        self.folder, self.kind, self.kid = pathlib.Path(folder), kind, kid
        self.file = self.folder / f"{kid}.pem"
        openssl(*MAKE[kind].split(), "-out", self.file, folder=folder)
        public = self.folder / f"{kid}.der"
        openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER", "-out", public, folder=folder)
        self.der = public.read_bytes()

    def jwk(self, **more):
        if self.kind == "RS256":
            text = openssl("rsa", "-in", self.file, "-noout", "-modulus", folder=self.folder)
            n = bytes.fromhex(text.strip().partition("=")[2])
            parts = {"kty": "RSA", "n": encode(n), "e": "AQAB"}
        elif self.kind == "EdDSA":
            parts = {"kty": "OKP", "crv": "Ed25519", "x": encode(self.der[-32:])}
        else:
            size = 32 if self.kind == "ES256" else 48
            x, y = self.der[-2 * size : -size], self.der[-size:]
            parts = {"kty": "EC", "crv": f"P-{8 * size}", "x": encode(x), "y": encode(y)}
        return {"kid": self.kid, "use": "sig", **parts, **more}

    def sign(self, text, algorithm):
        (self.folder / "in").write_bytes(text)
        if algorithm == "EdDSA":
            openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", "in", "-out", "out", folder=self.folder)
        else:
            openssl(*SIGN[algorithm].split(), self.file, "-out", "out", "in", folder=self.folder)
        signature = (self.folder / "out").read_bytes()
        if algorithm.startswith("ES"):
            return side_by_side(signature, 32 if algorithm == "ES256" else 48)
        return signature

    def token(self, algorithm=None, header=None, **claims):
        algorithm = algorithm or self.kind
        now = int(time.time())
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        head = {"alg": algorithm, "typ": "JWT", "kid": self.kid, **(header or {})}
        text = f"{encode({k: v for k, v in head.items() if v is not None})}.{encode(said)}"
        return f"{text}.{encode(self.sign(text.encode(), algorithm))}"


def confused(key, **claims):
    """HS256 by the public key as if it were a secret, and none at all."""
    good = key.token(**claims).split(".")
    for algorithm in ("HS256", "none"):
        text = f"{encode({'alg': algorithm, 'kid': key.kid})}.{good[1]}"
        for secret in (key.der, json.dumps(key.jwk()).encode()):
            sign = encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())
            yield f"{text}.{'' if algorithm == 'none' and secret == key.der else sign}"


class Publisher(Serving):
    """Serves `keys` as a key set on a loopback port, counts who asks, and fails with `status`."""

    def __init__(self, *keys):
        self.keys, self.asked, self.status = list(keys), 0, 200
        publisher = self

        class Publishing(Handler):
            def do_GET(self):
                publisher.asked += 1
                body = json.dumps({"keys": [k.jwk() for k in publisher.keys]}).encode()
                self.send_response(publisher.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Publishing, "/realms/staff/certs")
