# SPDX-License-Identifier: Apache-2.0
"""Feeds each rule of tests/lint small trees: a good one it must let pass, and bad ones it must find."""

import pathlib
import tempfile

import rules

HEAD = f"/* {rules.SPDX} */\n/* Why it exists. */\n"
SCRIPT = f"#!/bin/sh\n# {rules.SPDX}\n"

# Passes every rule; a bad tree is this one with some files changed or added.
GOOD = {
    "README.md": "# x\n", "LICENSE": "Apache\n",
    "meson.build": f"# {rules.SPDX}\n", "meson_options.txt": f"# {rules.SPDX}\n",
    "core/base/slice.h": HEAD + "#pragma once\n#include <stddef.h>\nstruct slice {\n\tsize_t length;\n};\n",
    "core/base/meson.build": f"# {rules.SPDX}\nbase_dep = declare_dependency(dependencies: [glib_dep])\n",
    "core/db/db.h": HEAD + '#pragma once\n#include "base/slice.h"\n',
    "core/db/row.h": HEAD + "#pragma once\n",
    "core/db/db.c": HEAD + '#include "db/db.h"\n#include <sqlite3.h>\n#include <stdio.h>\n#include "db/row.h"\n\n'
                           'static const char sql[] = "SELECT id % 900 AS slot FROM request WHERE id LIKE \'%s\'";\n',
    "core/db/meson.build": f"# {rules.SPDX}\nlibdb = static_library('db', dependencies: [base_dep, sqlite_dep])\n",
    "core/http/http.h": HEAD + "#pragma once\n",
    "core/ledger/ledger.c": HEAD + '#include "db/db.h"\n#include "tidegate/plugin.h"\n',
    "core/include/tidegate/plugin.h": HEAD + "#pragma once\n#include <stdint.h>\n",
    "core/cli/main.c": HEAD + '#include "base/slice.h"\n',
    "plugins/example/example.c": HEAD + '#include "own.h"\n#include "tidegate/plugin.h"\n#include <string.h>\n',
    "plugins/example/own.h": HEAD + "#pragma once\n",
    "plugins/other/other.c": HEAD + '#include "common/shared.h"\n',
    "plugins/common/shared.h": HEAD + "#pragma once\n",
    "web/api/api.c": HEAD + '#include <civetweb.h>\n#include "made.h"\n',
    "web/api/meson.build": f"# {rules.SPDX}\nmade = custom_target('made.h',\n  output: 'made.h',\n)\n",
    "packaging/requirements.txt": "a==1 \\\n    --hash=sha256:00\n",
    "packaging/package-lock.json": '{"packages": {"": {}, "node_modules/a": {"integrity": "sha512-a"}}}\n',
    "tests/run": f"#!/bin/bash\n# {rules.SPDX}\nsuites=(unit)\nfull_suites=(install)\n"
                 'echo "${suites[@]}" "${full_suites[@]}"\n',
    "tests/unit/run": SCRIPT,
}


def body(lines):
    return HEAD + "static void f(void)\n{\n" + "\t;\n" * lines + "}\n"


# Rule -> [(what is wrong, files, words of the finding)]
BAD = {
    "top-level": [
        ("a stray file", {"notes.txt": "x\n"}, "not part of the top level"),
        ("no licence", {"LICENSE": None}, "missing at the top level"),
    ],
    "layers": [
        ("upwards", {"core/db/db.c": HEAD + '#include "ledger/ledger.h"\n', "core/ledger/ledger.h": HEAD},
         "db may not include"),
        ("sideways", {"core/db/db.c": HEAD + '#include "http/http.h"\n'}, "db may not include"),
        ("sideways by a relative path", {"core/db/db.c": HEAD + '#include "../http/http.h"\n'}, "db may not include"),
        ("another folder's private header", {"core/ledger/ledger.c": HEAD + '#include "db/row.h"\n'},
         "private to db"),
        ("cli above base", {"core/cli/main.c": HEAD + '#include "db/db.h"\n'}, "cli may not include"),
        ("a plugin into core", {"plugins/example/example.c": HEAD + '#include "base/slice.h"\n'},
         "plugins/example may not include"),
        ("a plugin into another", {"plugins/other/o.c": HEAD + '#include "../example/own.h"\n'},
         "plugins/other may not include"),
        ("the ABI into core", {"core/include/tidegate/plugin.h": HEAD + '#include "base/slice.h"\n'},
         "include may not include"),
        ("the ABI into libc", {"core/include/tidegate/plugin.h": HEAD + "#include <stdio.h>\n"}, "<stdio.h>"),
        ("a circle", {"core/db/row.h": HEAD + '#include "db/db.h"\n', "core/db/db.h": HEAD + '#include "db/row.h"\n'},
         "includes itself"),
        ("no such header", {"core/db/db.c": HEAD + '#include "db/gone.h"\n'}, "no file of the tree"),
        ("a header that another folder makes", {"core/db/db.c": HEAD + '#include "made.h"\n'}, "no file of the tree"),
        ("an unknown folder", {"core/misc/x.c": HEAD}, "not in the table"),
    ],
    "foreign-headers": [
        ("sqlite3 outside db", {"core/ledger/ledger.c": HEAD + "#include <sqlite3.h>\n"}, "belongs to db"),
        ("openssl outside http", {"core/keys/keys.c": HEAD + "#include <openssl/ssl.h>\n"}, "belongs to http upstream"),
        ("openssl's digests outside base", {"core/keys/keys.c": HEAD + "#include <openssl/evp.h>\n"},
         "belongs to base"),
        ("glib in a plugin", {"plugins/example/example.c": HEAD + "#include <glib.h>\n"}, "belongs to base"),
        ("a library without owner", {"core/db/db.c": HEAD + "#include <zlib.h>\n"}, "nor has an owner"),
    ],
    "links": [
        ("upwards", {"core/db/meson.build": f"# {rules.SPDX}\nx = y(dependencies: [ledger_dep])\n"}, "db may not link"),
        ("a foreign library", {"core/http/meson.build": f"# {rules.SPDX}\nx = y(dependencies: [sqlite_dep])\n"},
         "belongs to db"),
        ("cli above base", {"core/cli/meson.build": f"# {rules.SPDX}\nx = y(dependencies: [db_dep])\n"},
         "cli may not link"),
    ],
    "sizes": [
        ("a long function", {"core/db/db.c": body(98)}, "f() has 101 lines"),
        ("a long file", {"core/db/db.c": HEAD + "\n" * 999}, "1001 lines"),
        ("a long header", {"core/db/row.h": HEAD + "\n" * 299}, "301 lines"),
        ("a long script", {"tests/unit/run": SCRIPT + "true\n" * 999}, "1001 lines"),
    ],
    "headers-alone": [
        ("needs another", {"core/db/row.h": HEAD + "#pragma once\nstruct row {\n\tsize_t n;\n};\n"}, "size_t"),
        ("can be read once", {"core/db/row.h": HEAD + "struct row {\n\tint n;\n};\n"}, "redefinition"),
    ],
    "spdx": [
        ("no licence", {"core/db/db.c": "/* Why. */\n"}, "first line"),
        ("licence not first", {"core/db/db.c": "\n" + HEAD}, "first line"),
        ("no reason", {"core/db/db.c": f"/* {rules.SPDX} */\nint x;\n"}, "no comment"),
        ("a script", {"packaging/fetch": "#!/bin/sh\ntrue\n"}, "first line"),
    ],
    "clang-format": [("spaces", {"core/db/db.c": HEAD + "int  x ;\n"}, "clang-format")],
    "shell": [("an unused variable", {"tests/unit/run": SCRIPT + "x=1\n"}, "SC2034")],
    "sql": [
        ("snprintf", {"core/db/db.c": HEAD + 'snprintf(b, n, "SELECT * FROM t WHERE k = \'%s\'", k);\n'}, "conversion"),
        ("a split literal", {"core/db/db.c": HEAD + 'f("DELETE FROM t "\n  "WHERE k = %d", k);\n'}, "conversion"),
        ("appended", {"core/db/db.c": HEAD + 'buffer_append(&b, "SELECT * FROM t WHERE k = ");\n'}, "text builder"),
        ("sqlite's printf", {"core/db/db.c": HEAD + 'sqlite3_mprintf("PRAGMA cache_size = %d", x);\n'}, "text builder"),
        ("an unknown function", {"core/db/db.c": HEAD + 'query(db, "SELECT a FROM t WHERE k = %d", k);\n'},
         "conversion"),
    ],
    "text": [
        ("a path", {"README.md": "see /wo" + "rk/main\n"}, "a path"),
        ("a host", {"tests/unit/run": SCRIPT + "get https://regis" + "try.example/x\n"}, "the host"),
        ("a promise", {"core/db/db.c": HEAD + "/* TO" + "DO */\n"}, "a promise"),
        ("a stray word", {"README.md": "for the C" + "EO\n"}, "not about the product"),
    ],
    "locks": [
        ("a host in npm's lock", {"packaging/package-lock.json":
                                  '{"packages": {"a": {"integrity": "x", "resolved": "y"}}}'}, "resolved"),
        ("no hash in npm's lock", {"packaging/package-lock.json": '{"packages": {"a": {}}}'}, "no integrity"),
        ("no hash in pip's", {"packaging/requirements.txt": "a==1\n"}, "no hash"),
    ],
    "suites": [
        ("not in the list", {"tests/odd/run": SCRIPT}, "not in the lists"),
        ("not executable", {"tests/unit/run": (SCRIPT, 0o644)}, "not executable"),
    ],
}


def findings(rule, changes):
    with tempfile.TemporaryDirectory() as folder:
        style = pathlib.Path(__file__).resolve().parents[2] / ".clang-format"
        for name, content in {**GOOD, ".clang-format": style.read_text(), **changes}.items():
            if content is None:
                continue
            content, mode = content if isinstance(content, tuple) else (content, None)
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            path.chmod(mode or (0o755 if content.startswith("#!") else 0o644))
        return list(rules.RULES[rule](rules.Tree(folder)))


def run(only=()):
    """Prints a line for each rule; False when one cannot fail or fails a good tree."""
    right = True
    for rule in rules.RULES:
        if only and rule not in only:
            continue
        wrong = [f"finds {why} at {path}:{line} of the good tree" for path, line, why in findings(rule, {})]
        for what, changes, words in BAD.get(rule, []):
            found = findings(rule, changes)
            if not any(words in why for _, _, why in found):
                wrong.append(f"{what}: no finding says '{words}' but {[why for _, _, why in found]}")
        if rule not in BAD:
            wrong.append("no bad tree shows that it can fail")
        for why in wrong:
            print(f"not ok selftest-{rule} - tests/lint/selftest.py:0: {why}")
        if not wrong:
            print(f"ok selftest-{rule}")
        right = right and not wrong
    return right
