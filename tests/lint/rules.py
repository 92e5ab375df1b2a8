# SPDX-License-Identifier: Apache-2.0
"""The rules of tests/lint. Each is a function of a Tree that yields findings: (path, line or 0, why)."""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess

import table

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
STRING = r'"(?:[^"\\\n]|\\.)*"'
SPDX = "SPDX-License-Identifier: Apache-2.0"
SPDX_SUFFIXES = {".c", ".h", ".py", ".sh", ".js", ".mjs", ".css", ".html", ".service", ".conf"}
SPDX_NAMES = {"meson.build", "meson_options.txt"}
BINARY_SUFFIXES = {".png", ".ico", ".woff2", ".gz", ".so", ".bin"}


class Tree:
    """The files of a source tree: those git knows or would add, or all when it is no git tree."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.files = sorted(self._list())
        self._text = {}

    def _list(self):
        if (self.top / ".git").exists():
            out = subprocess.run(["git", "-C", self.top, "ls-files", "-z", "-co", "--exclude-standard"],
                                 check=True, capture_output=True, text=True).stdout
            return [name for name in out.split("\0") if name and (self.top / name).is_file()]
        return [str(path.relative_to(self.top)) for path in self.top.rglob("*") if path.is_file()]

    def text(self, name):
        """Content of a file, or None when it is not text."""
        if name not in self._text:
            try:
                self._text[name] = (self.top / name).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                self._text[name] = None
        return self._text[name]

    def lines(self, name):
        return (self.text(name) or "").splitlines()

    def c_files(self, *roots):
        roots = roots or ("core", "plugins", "web", "tests")
        return [f for f in self.files if f.endswith((".c", ".h")) and f.split("/")[0] in roots]

    def includes(self, name):
        """(line number, header, quoted?) of each include of a file."""
        for number, line in enumerate(self.lines(name), 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match[1] or match[2], match[1] is not None


def folder_of(name):
    """The folder a file counts as: `http` of core/http/x.c, `api` of web/api/x.c, `plugins/NAME`, or None."""
    parts = name.split("/")
    if parts[0] == "plugins" and len(parts) > 2:
        return f"plugins/{parts[1]}"
    if parts[0] in ("core", "web") and len(parts) > 2:
        return parts[1]
    return None


def may_use(folder, used):
    """Whether a file of `folder` may include or link `used`, another folder of ours."""
    if used == "include":
        return True
    if folder.startswith("plugins/"):
        return used == table.PLUGIN_SHARED
    if folder in table.APART:
        return used in table.APART[folder]
    return table.LAYERS.get(used, 99) < table.LAYERS.get(folder, -1)


def made_headers(tree):
    """Paths of the headers that a custom_target makes, whether they are built by now or not."""
    return {os.path.join(os.path.dirname(name), header) for name in tree.files if name.endswith("meson.build")
            for header in re.findall(r"^\s*output: '([^']+\.h)'", tree.text(name) or "", re.M)}


def resolve(tree, name, header, made):
    """Path in the tree of a quoted include, or None; "" when it is one of those `made` by the build."""
    for base in (os.path.dirname(name), "core", "core/include", "web", "plugins"):
        path = os.path.normpath(os.path.join(base, header))
        if (tree.top / path).is_file():
            return path
        if path in made:
            return ""
    return None


def layers(tree):
    """Includes go downwards, to public headers, and never round in a circle."""
    edges, made = {}, made_headers(tree)
    for name in tree.c_files("core", "plugins", "web"):
        folder = folder_of(name)
        if folder is None or not (folder.startswith("plugins/") or folder in table.LAYERS or folder in table.APART):
            yield name, 0, f"folder {folder} is not in the table of layers"
            continue
        for line, header, quoted in tree.includes(name):
            path = resolve(tree, name, header, made) if quoted or header.startswith("tidegate/") else ""
            if path is None:
                yield name, line, f'"{header}" is no file of the tree'
            elif path:
                edges.setdefault(name, []).append((path, line))
                yield from one_include(name, line, folder, path)
            elif folder == "include" and header not in table.ABI_HEADERS:
                yield name, line, f"<{header}>: the plugin ABI includes {', '.join(sorted(table.ABI_HEADERS))} alone"
    yield from circles(edges)


def one_include(name, line, folder, path):
    used = folder_of(path)
    if used == folder:
        return
    if used is None or not may_use(folder, used):
        yield name, line, f"{folder} may not include {path}"
    elif used not in ("base", "include", table.PLUGIN_SHARED) and os.path.basename(path) != f"{used}.h":
        yield name, line, f"{path} is private to {used}; its public header is {used}.h"


def circles(edges):
    done = set()

    def walk(name, trail):
        if name in trail:
            yield name, 0, "includes itself by way of " + ", ".join(trail[trail.index(name) + 1:] or [name])
            return
        if name in done:
            return
        for path, _ in edges.get(name, []):
            yield from walk(path, trail + [name])
        done.add(name)

    for name in edges:
        yield from walk(name, [])


def foreign(tree):
    """A foreign library's header is included by its owner folder alone, and each has an owner."""
    unknown = {}
    for name in tree.c_files("core", "plugins", "web"):
        folder = folder_of(name)
        for line, header, quoted in tree.includes(name):
            if quoted or header.startswith("tidegate/"):
                continue
            if folder and folder.startswith("plugins/") and header in table.PLUGIN_HEADERS:
                continue
            owner = next((o for pattern, o in table.FOREIGN.items() if re.fullmatch(pattern, header)), None)
            if owner is None:
                unknown.setdefault(header, []).append((name, line))
            elif folder not in owner.split():
                yield name, line, f"<{header}> belongs to {owner}"
    system = system_headers(unknown)
    for header, places in unknown.items():
        if header not in system:
            yield *places[0], f"<{header}> is neither the C library's nor has an owner in tests/lint/table.py"


def system_headers(headers):
    """Those of `headers` that come with the C library, the kernel's interface or the compiler."""
    search = subprocess.run(["cc", "-E", "-x", "c", "-", "-v"], input="", capture_output=True, text=True,
                            check=True).stderr
    folders = [line.strip() for line in search.splitlines() if line.startswith(" /")]
    paths = {os.path.realpath(os.path.join(folder, header)): header for header in headers for folder in folders
             if os.path.isfile(os.path.join(folder, header))}
    if not paths:
        return set()
    owners = subprocess.run(["dpkg", "-S", *paths], capture_output=True, text=True, check=False).stdout
    found = set()
    for line in owners.splitlines():
        package, _, path = line.partition(": ")
        if re.match(r"(libc6-dev|linux-libc-dev|libgcc-\d+-dev|libcrypt-dev)\b", package):
            found.add(paths.get(path))
    return found


def links(tree):
    """A folder's meson.build links only what its layer may use."""
    for name in tree.files:
        folder = folder_of(name)
        if not name.endswith("meson.build") or folder is None or folder.startswith("plugins/"):
            continue
        for number, line in enumerate(tree.lines(name), 1):
            if re.match(r"\s*\w+_dep\s*=", line):
                continue
            for used in re.findall(r"\b(\w+)_dep\b", line.split("#")[0]):
                if used in table.COMMON_DEPS or used == folder:
                    continue
                owner = table.FOREIGN_DEPS.get(used)
                if owner is None and not may_use(folder, used):
                    yield name, number, f"{folder} may not link {used}"
                elif owner is not None and folder not in owner.split():
                    yield name, number, f"{used} belongs to {owner}"


def functions(lines):
    """(name, first line, lines) of each function of a formatted C file."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number - 1
            while start > 1 and lines[start - 2].strip() and not lines[start - 2].startswith(("#", "}", "/", " *")):
                start -= 1
        elif line.startswith("}") and start is not None:
            signature = re.sub(r"__attribute__\(\(.*?\)\)\s", "", " ".join(lines[start - 1:start + 3]))
            match = re.search(r"(\w+)\s*\(", signature)
            yield (match[1] if match else "?"), start, number - start + 1
            start = None


def sizes(tree):
    """Functions, files and headers stay short."""
    for name in tree.c_files():
        for function, line, length in functions(tree.lines(name)):
            if length > table.FUNCTION_LINES:
                yield name, line, f"{function}() has {length} lines, {table.FUNCTION_LINES} are the most"
    for name in tree.files:
        length = len(tree.lines(name))
        limit = table.HEADER_LINES if name.endswith(".h") else table.FILE_LINES
        if length > limit and is_source(tree, name):
            yield name, length, f"{length} lines, {limit} are the most"


def long_ones(tree):
    """What is near its limit: told, not counted as a finding."""
    for name in tree.c_files():
        for function, line, length in functions(tree.lines(name)):
            if table.FUNCTION_LINES_WARN < length <= table.FUNCTION_LINES:
                yield name, line, f"{function}() has {length} lines"
        if table.FILE_LINES_WARN < len(tree.lines(name)) <= table.FILE_LINES:
            yield name, 0, f"{len(tree.lines(name))} lines"


def is_source(tree, name):
    """Whether a file is written by hand and can bear a comment."""
    path = pathlib.PurePath(name)
    if path.suffix in SPDX_SUFFIXES or path.name in SPDX_NAMES:
        return True
    return path.suffix == "" and (tree.text(name) or "").startswith("#!")


def spdx(tree):
    """The first line names the licence; in C the next comment says why the file exists."""
    for name in tree.files:
        if not is_source(tree, name):
            continue
        lines = tree.lines(name)
        if name.endswith((".c", ".h")):
            if not lines or lines[0] != f"/* {SPDX} */":
                yield name, 1, f"the first line is not /* {SPDX} */"
            elif not re.match(r"/\*", next((line for line in lines[1:] if line), "")):
                yield name, 2, "no comment says why the file exists"
            continue
        first = [line for line in lines[:3] if not line.startswith("#!") and "<!doctype" not in line.lower()][:1]
        if not first or SPDX not in first[0]:
            yield name, 1, f"the first line is not {SPDX}"


def formatted(tree):
    """clang-format has nothing to change."""
    names = tree.c_files()
    for at in range(0, len(names), 50):
        chunk = names[at:at + 50]
        out = subprocess.run(["clang-format", "--dry-run", *chunk], cwd=tree.top, capture_output=True, text=True,
                             check=False)
        seen = set()
        for match in re.finditer(r"^(\S+?):(\d+):\d+: (?:warning|error): (.*)$", out.stderr, re.M):
            if match[1] not in seen:
                seen.add(match[1])
                yield match[1], int(match[2]), "not as clang-format would have it"
        if out.returncode and not seen:
            yield chunk[0], 0, "clang-format: " + out.stderr.strip()


def shell(tree):
    """shellcheck has no warning about a shell script."""
    names = [name for name in tree.files
             if re.match(r"#!.*\b(?:ba)?sh\b", (tree.text(name) or "").partition("\n")[0])]
    if not names:
        return
    out = subprocess.run(["shellcheck", "-S", "warning", "-f", "gcc", *names], cwd=tree.top, capture_output=True,
                         text=True, check=False)
    for match in re.finditer(r"^(.+?):(\d+):\d+: (.*)$", out.stdout, re.M):
        yield match[1], int(match[2]), match[3]
    if out.stderr:
        yield names[0], 0, "shellcheck: " + out.stderr.strip()


def headers_alone(tree):
    """Every header compiles without another before it; the plugin ABI with no other include folder."""
    flags = []
    for package in ("glib-2.0", "jansson", "libconfig", "sqlite3", "fuse3", "libcurl", "openssl", "libsystemd"):
        flags += subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True,
                                check=False).stdout.split()

    def compile_one(name):
        abi = name.startswith("core/include/")
        own = ["-Icore/include"] if abi else ["-Icore", "-Icore/include", "-Iweb", "-D_GNU_SOURCE", *flags]
        header = name.removeprefix("core/include/") if abi else "./" + name
        out = subprocess.run(["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
                              "-fsyntax-only", "-I.", *own, "-x", "c", "-"], cwd=tree.top,
                             input=f'#include "{header}"\n#include "{header}"\n', capture_output=True, text=True,
                             check=False)
        error = re.search(r"^(?:\./|core/include/)?([^:\n]+):(\d+):\d+: (?:fatal )?error: (.*)$", out.stderr, re.M)
        if out.returncode:
            return name, int(error[2]) if error else 0, error[3] if error else out.stderr.strip()[-200:]
        return None

    headers = [name for name in tree.c_files("core", "plugins", "web") if name.endswith(".h")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(compile_one, headers))


SQL = re.compile(r'"\s*(?:SELECT\b|INSERT\s+(?:INTO|OR)\b|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b|REPLACE\s+INTO\b|'
                 r'CREATE\s+(?:TABLE|INDEX|TRIGGER|VIEW|UNIQUE)\b|DROP\s+\w+\b|ALTER\s+TABLE\b|PRAGMA\b|ATTACH\b)',
                 re.I)
CONVERSION = re.compile(r"%[-+#0-9.*]*(?:hh|h|ll|l|z|j|t|q)?[sdiuxXcpqQw]")
BUILDER = re.compile(r"\b\w*(?:printf|strcat|strconcat|append|_cat|_add|_put)\w*\s*\(([^;]*?)\)\s*[;,)]", re.S)


def sql(tree):
    """No SQL statement is built from parts: text is constant, values are bound."""
    for name in tree.c_files("core", "plugins", "web"):
        text = tree.text(name) or ""
        for constant in table.SQL_FORMATS:
            text = text.replace(f'"{constant}"', '""')
        for match in re.finditer(rf"[(,]\s*({STRING}(?:\s*{STRING})*)", text):
            if SQL.match(match[1]) and CONVERSION.search(match[1]):
                yield name, line_of(text, match.start()), "an SQL statement with a conversion in it; bind values"
        for match in BUILDER.finditer(text):
            if SQL.search(match[1]):
                yield name, line_of(text, match.start()), "an SQL statement goes into a text builder; bind values"


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def top_level(tree):
    """Nothing at the top but what the layout names."""
    tops = {name.split("/")[0] for name in tree.files}
    for top in sorted(tops):
        if top not in table.TOP_LEVEL and not top.startswith("."):
            yield top, 0, "is not part of the top level"
    for top in sorted(table.TOP_LEVEL - tops):
        yield top, 0, "is missing at the top level"


# The brackets keep the patterns from finding themselves.
FORBIDDEN = [
    (r"(?<![\w.])/(?:w[o]rk|f[a]rm)/|/tmp/s[p]ec\b|/\.l[i]brary\b", "a path of one machine"),
    (r"\bre[g]istry\.[a-z]|\bpypi\.o[r]g|files\.python[h]osted|\bdeb\.deb[i]an\.|\bsecurity\.deb[i]an\.",
     "the host of a package registry"),
    (r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|not (?:yet )?implem[e]nted", "a promise instead of the thing"),
    (r"\bC[E]O\b|\bsub[a]gents?\b", "a word that is not about the product"),
]


def text(tree):
    """No text tells of one machine, names a registry's host, or leaves a promise."""
    for name in tree.files:
        if pathlib.PurePath(name).suffix in BINARY_SUFFIXES:
            continue
        for pattern, why in FORBIDDEN:
            for match in re.finditer(pattern, tree.text(name) or ""):
                yield name, line_of(tree.text(name), match.start()), f"{why}: {match[0]}"


def locks(tree):
    """What tests and packaging install is pinned by hash, and the locks name no host."""
    for name in tree.files:
        base = os.path.basename(name)
        if base == "package-lock.json":
            for package, entry in json.loads(tree.text(name))["packages"].items():
                if "resolved" in entry:
                    yield name, 0, f"{package} names where it was resolved"
                if package and "integrity" not in entry:
                    yield name, 0, f"{package} has no integrity hash"
        elif base == "requirements.txt":
            pins = re.sub(r"\\\n", " ", tree.text(name))
            for number, line in enumerate(pins.splitlines(), 1):
                if line.strip() and not line.startswith("#") and "--hash=sha256:" not in line:
                    yield name, number, f"{line.split()[0]} has no hash"


def suites(tree):
    """tests/run knows every suite, and each can be executed."""
    known = set()
    for match in re.finditer(r"^(?:full_)?suites=\(([^)]*)\)", tree.text("tests/run") or "", re.M):
        known |= set(match[1].split())
    for name in tree.files:
        parts = name.split("/")
        if len(parts) != 3 or parts[0] != "tests" or parts[2] != "run":
            continue
        if parts[1] not in known | {"bench"}:
            yield name, 0, f"suite {parts[1]} is not in the lists of tests/run"
        if not os.access(tree.top / name, os.X_OK):
            yield name, 0, "is not executable"


RULES = {
    "top-level": top_level, "layers": layers, "foreign-headers": foreign, "links": links, "sizes": sizes,
    "headers-alone": headers_alone, "spdx": spdx, "clang-format": formatted, "shell": shell, "sql": sql, "text": text,
    "locks": locks, "suites": suites,
}
