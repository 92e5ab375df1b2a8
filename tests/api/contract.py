# SPDX-License-Identifier: Apache-2.0
"""web/openapi.yaml as a judge: every answer that the suite sees is held against what the contract
says of that path, method and status, and what was never seen is told at the end."""

import json
import os
import pathlib
import re

import jsonschema
import yaml

SOURCE = pathlib.Path(os.environ.get("TIDEGATE_SRC") or pathlib.Path(__file__).resolve().parents[2])
# The data plane of a test cannot bring these about on every path.
METHODS = ("get", "post", "put", "delete", "patch")


class Contract:
    def __init__(self):
        self.document = yaml.safe_load((SOURCE / "web" / "openapi.yaml").read_text())
        self.seen = set()

    def operations(self):
        """(METHOD, path template, operation) of all that the contract names."""
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield method.upper(), path, item[method]

    def documented(self):
        """(METHOD, path, status) of every answer that the contract names."""
        return {
            (method, path, int(status))
            for method, path, operation in self.operations()
            for status in operation["responses"]
        }

    def find(self, method, target):
        """(path template, operation) that a request's target belongs to, or None."""
        plain = target.partition("?")[0]
        for candidate, path, operation in self.operations():
            pattern = re.sub(r"\{[^/]+\}", ".+", path)
            if candidate == method and re.fullmatch(pattern, plain):
                return path, operation
        return None

    def resolve(self, node):
        while "$ref" in node:
            name = node["$ref"].removeprefix("#/").split("/")
            node = self.document
            for part in name:
                node = node[part]
        return node

    def validate(self, schema, value):
        validator = jsonschema.Draft202012Validator(
            {**schema, "components": self.document["components"]},
            format_checker=jsonschema.FormatChecker(),
        )
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
        assert not errors, f"not as the contract says: {'; '.join(errors[:3])}"

    def judge(self, method, target, answer):
        """Asserts that the contract knows this answer; takes note of it."""
        found = self.find(method, target)
        if not found:
            assert answer.status in (401, 404, 405, 501), f"{method} {target}: {answer.status}"
            self.validate({"$ref": "#/components/responses/Error/content/application~1json/schema"},
                          answer.json())  # fmt: skip
            return
        path, operation = found
        # Any path answers these alike: cross-site changes, bodies too large or of another type.
        responses = operation["responses"]
        if str(answer.status) not in responses:
            assert answer.status in (400, 403, 413, 415), (
                f"{method} {path}: the contract has no status {answer.status}: {answer.body[:200]!r}"
            )
            responses = {str(answer.status): {"$ref": "#/components/responses/Error"}}
        response = self.resolve(responses[str(answer.status)])
        self.seen.add((method, path, answer.status))
        if "content" not in response:
            assert not answer.body, f"{method} {path}: a body with {answer.status}"
            return
        assert answer.headers["content-type"] == "application/json", answer.headers["content-type"]
        schema = response["content"]["application/json"]["schema"]
        self.validate(schema, json.loads(answer.body))
        for name in response.get("headers", {}):
            assert name.lower() in answer.headers, f"{method} {path}: no header {name}"
