# SPDX-License-Identifier: Apache-2.0
"""Every tool reads right: at rest against the files' content, and under traffic without a fault.
What a tool must not be able to do is refused by a sensible errno."""

import errno
import filecmp
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import values
from tap import Skip, equal
from tidegate import usd_to_nano
from world import traffic

TOOL_S = 60
ODD_BLOCKS = (1, 3, 511, 513, 4095, 4097, 65537)


def run(*command, **more):
    """The output of a command that must succeed and complain about nothing."""
    words = [os.fspath(word) for word in command]
    done = subprocess.run(words, capture_output=True, timeout=TOOL_S, check=False, **more)
    assert done.returncode == 0 and not done.stderr, (
        f"{' '.join(words)}: status {done.returncode}: {done.stderr.decode()[-300:]}"
    )
    return done.stdout


def need(tool):
    if not shutil.which(tool):
        raise Skip(f"{tool} is not installed")


class Tools:
    """At rest: a file's content is what Python reads."""

    def __init__(self, gate):
        self.mount = gate.mount
        self.copies = pathlib.Path(tempfile.mkdtemp(prefix="copies-", dir=gate.dir))
        # These alone are another each second.
        self.still = [
            path for path in values.FILES if not path.endswith(("status.json", "tidegate.prom"))
        ]

    # costs/ has checks of its own
    values = ("-path", "*/mnt/costs", "-prune", "-o", "-type", "f")

    def contents(self):
        return {path: (self.mount / path).read_bytes() for path in self.still}

    def cat(self):
        for path, data in self.contents().items():
            equal(run("cat", self.mount / path), data, path)

    def cat_all(self):
        paths = [self.mount / path for path in self.still]
        equal(run("cat", *paths), b"".join(self.contents().values()), "all files in one cat")

    def busybox_cat(self):
        need("busybox")
        for path, data in self.contents().items():
            equal(run("busybox", "cat", self.mount / path), data, path)

    def head_and_tail(self):
        for path, data in self.contents().items():
            lines = data.splitlines(keepends=True)
            file = self.mount / path
            equal(run("head", "-n", "3", file), b"".join(lines[:3]), f"head of {path}")
            equal(run("tail", "-n", "3", file), b"".join(lines[-3:]), f"tail of {path}")
            equal(run("tail", "-c", "7", file), data[-7:], f"last bytes of {path}")
            equal(run("head", "-c", "-2", file), data[:-2], f"all but two bytes of {path}")

    def wc(self):
        for path, data in self.contents().items():
            got = run("wc", "-l", "-c", self.mount / path).split()[:2]
            equal(got, [b"%d" % data.count(b"\n"), b"%d" % len(data)], f"wc of {path}")

    def grep(self):
        total = (self.mount / "now/cost/total_usd").read_text().strip()
        options = ("-rl", "--exclude-dir=costs", "--fixed-strings")
        hits = run("grep", *options, total, self.mount).decode().split()
        wanted = {f"now/cost/{name}_usd" for name in ("today", "month", "total")}
        found = {os.path.relpath(hit, self.mount) for hit in hits}
        assert wanted <= found <= wanted | {"now/status.json"}, f"found in {found}"

    def find(self):
        printed = run("find", self.mount, *self.values, "-printf", "%P %s\\n").decode().split("\n")
        listed = dict(line.split(" ") for line in printed[:-1])
        equal(sorted(listed), sorted(values.FILES), "what find finds")
        for path, data in self.contents().items():
            equal(int(listed[path]), len(data), f"size of {path}")
        equal(run("find", self.mount, "-type", "f", "-size", "0"), b"", "empty files")

    def ls(self):
        text = run("ls", "-lR", "--full-time", "--hide=costs", self.mount).decode()
        assert "?" not in text, text
        for path in self.still:
            size = (self.mount / path).stat().st_size
            name = path.rpartition("/")[2]
            lines = [line.split() for line in text.splitlines() if line.endswith(" " + name)]
            assert [str(size)] == [line[4] for line in lines], f"{name}: {lines}"

    def du(self):
        sizes = sum(len(data) for data in self.contents().values())
        apart = ("--exclude=costs", "--exclude=status.json", "--exclude=tidegate.prom")
        shown = int(run("du", "-sb", *apart, self.mount).split()[0])
        equal(shown, sizes, "bytes by du")
        assert int(run("du", "-s", self.mount).split()[0]) > 0, "no blocks"

    def df(self):
        for path in (self.mount, self.mount / "now"):
            line = run("df", "--output=source,fstype,target", path).decode().splitlines()[1].split()
            equal(line, ["tidegate", "fuse.tidegate", str(path)], "df's line")

    def cp(self):
        for flags in ("-r", "-a"):
            target = self.copies / f"cp{flags}"
            run("cp", flags, self.mount, target)
            self.same(target)

    def same(self, folder):
        for path, data in self.contents().items():
            equal((folder / path).read_bytes(), data, f"copy of {path}")

    def tar(self):
        """An archive that tar itself compares, and that another reader unpacks."""
        archive = self.copies / "all.tar"
        changing = ("--exclude=status.json", "--exclude=tidegate.prom")
        run("tar", "-C", self.mount, *changing, "-cf", archive, ".")
        run("tar", "-C", self.mount, "-df", archive)
        with tarfile.open(archive) as tar:
            for path, data in self.contents().items():
                equal(tar.extractfile(f"./{path}").read(), data, f"{path} in the archive")

    def rsync(self):
        need("rsync")
        target = self.copies / "rsync"
        run("rsync", "-a", f"{self.mount}/", target)
        self.same(target)
        changed = run(
            "rsync",
            "-ani",
            "--exclude=status.json",
            "--exclude=tidegate.prom",
            f"{self.mount}/",
            target,
        )
        equal(changed, b"", "what a second rsync would send")

    def python(self):
        """shutil uses sendfile and copy_file_range; filecmp compares by stat first."""
        for path, data in self.contents().items():
            copy = self.copies / "python-copy"
            shutil.copyfile(self.mount / path, copy)
            equal(copy.read_bytes(), data, f"shutil's copy of {path}")
            assert filecmp.cmp(self.mount / path, copy, shallow=False), path
            with open(self.mount / path, "rb") as source, open(copy, "wb") as out:
                sent = os.sendfile(out.fileno(), source.fileno(), 0, len(data) + 4096)
            equal((sent, copy.read_bytes()), (len(data), data), f"sendfile of {path}")

    def dd(self):
        for path, data in self.contents().items():
            for size in ODD_BLOCKS if len(data) < 10000 else ODD_BLOCKS[2:]:
                got = run("dd", f"if={self.mount / path}", f"bs={size}", "status=none")
                equal(got, data, f"{path} in blocks of {size}")

    def seek(self):
        """Parts out of order, beyond the end too."""
        for path, data in self.contents().items():
            with open(self.mount / path, "rb", buffering=0) as file:
                for offset in (len(data) - 1, len(data) // 2, 0, len(data), len(data) + 100):
                    got = os.pread(file.fileno(), 50, offset)
                    equal(got, data[offset : offset + 50], f"{path} at {offset}")
                equal(file.seek(0, os.SEEK_END), len(data), f"end of {path}")

    def awk(self):
        """What an operator would add up equals the total."""
        program = (
            'NR > 1 { n += $3; gsub(/\\./, "", $2); usd += $2 } END { printf "%d %.0f", n, usd }'
        )
        for column in values.BY_REQUEST + values.BY_ATTEMPT:
            text = run("awk", "-F\t", program, self.mount / f"now/cost/by_{column}.tsv").decode()
            count, nano = map(int, text.split())
            total = usd_to_nano((self.mount / "now/cost/today_usd").read_text())
            equal(nano, total, f"sum of by_{column}.tsv")
            assert count > 0, text


class BusyTools:
    """Under traffic: every tool ends well, and what it copied is whole."""

    def __init__(self, gate):
        self.gate, self.mount = gate, gate.mount
        self.copies = pathlib.Path(tempfile.mkdtemp(prefix="busy-", dir=gate.dir))

    def each(self, count, function):
        with traffic(self.gate):
            for number in range(count):
                function(self.copies / f"{function.__name__}-{number}")

    def whole(self, folder):
        """Copies of values that were whole when they were read."""
        for path in values.FILES:
            data = (folder / path).read_bytes()
            assert data.endswith(b"\n") and b"\0" not in data, f"{path} is torn: {data[-40:]!r}"
            if path.endswith("_usd"):
                usd_to_nano(data.decode())
            if path.endswith(".tsv"):
                lines = data.decode().splitlines()
                tabs = {"now/providers.tsv": 12, "now/prices.tsv": 6, "now/plugins.tsv": 11}.get(path, 6)
                assert {line.count("\t") for line in lines} == {tabs}, f"{path} is torn: {lines}"

    def cp(self, target):
        run("cp", "-a", self.mount, target)
        self.whole(target)

    def tar(self, target):
        """tar warns where a file is not what stat promised."""
        target.mkdir()
        run("tar", "-C", self.mount, "--exclude=requests.jsonl", "-cf", f"{target}.tar", ".")
        run("tar", "-C", target, "-xf", f"{target}.tar")
        shutil.copy(self.mount / "logs/requests.jsonl", target / "logs")
        self.whole(target)

    def rsync(self, target):
        need("rsync")
        run("rsync", "-a", f"{self.mount}/", target)
        self.whole(target)

    def grep(self, _):
        run("grep", "-rc", "", self.mount)

    def ls(self, _):
        run("ls", "-lR", self.mount)

    def find(self, _):
        run("find", self.mount, "-ls")


def attempts_to_write(mount):
    """Everything that would change something, by name."""
    value, folder, log = mount / "now/cost/today_usd", mount / "now/cost", mount / "logs"
    live = log / "requests.jsonl"
    flags = {
        "write": os.O_WRONLY,
        "truncate": os.O_WRONLY | os.O_TRUNC,
        "append": os.O_WRONLY | os.O_APPEND,
        "read-write": os.O_RDWR,
    }
    for name, flag in flags.items():
        for path in (value, mount / "README", live):
            yield f"{name} {path.name}", lambda path=path, flag=flag: os.open(path, flag)
    for place in (mount, folder, log):
        new = place / "new"
        yield f"create {place}", lambda new=new: os.open(new, os.O_CREAT | os.O_WRONLY)
        yield f"mkdir {place}", lambda new=new: os.mkdir(new)
        yield f"symlink {place}", lambda new=new: os.symlink("x", new)
        yield f"mkfifo {place}", lambda new=new: os.mkfifo(new)
    for path in (value, mount / "README", live):
        yield f"unlink {path.name}", lambda path=path: os.unlink(path)
        yield f"rename {path.name}", lambda path=path: os.rename(path, path.parent / "new")
        yield f"link {path.name}", lambda path=path: os.link(path, path.parent / "new")
        yield f"chmod {path.name}", lambda path=path: os.chmod(path, 0o666)
        yield f"chown {path.name}", lambda path=path: os.chown(path, 1, 1)
        yield f"truncate by name {path.name}", lambda path=path: os.truncate(path, 0)
        yield f"utime {path.name}", lambda path=path: os.utime(path)
        yield f"xattr {path.name}", lambda path=path: os.setxattr(path, "user.a", b"b")
    yield "rmdir now", lambda: os.rmdir(mount / "now")
    yield "rmdir cost", lambda: os.rmdir(folder)
    yield "rmdir logs", lambda: os.rmdir(log)


def refuses_changes(gate):
    sane = {errno.EROFS, errno.EACCES, errno.EPERM, errno.EBUSY}
    before = {path: gate.read(path) for path in ("README", "now/cost/today_usd")}
    for name, attempt in attempts_to_write(gate.mount):
        try:
            attempt()
        except OSError as error:
            assert error.errno in sane, f"{name}: {error}"
        else:
            raise AssertionError(f"{name} was not refused")
    equal({path: gate.read(path) for path in before}, before, "what was written at")


def refuses_from_shell(gate):
    """The tool itself says so."""
    for line in (
        "echo 1 >now/cost/today_usd",
        "echo 1 >>README",
        "rm -f now/status.json",
        "touch new",
        "mv version other",
        "mkdir logs/x",
        "chmod u+w version",
        "cp README logs/requests.jsonl",
    ):
        done = subprocess.run(["sh", "-c", line], cwd=gate.mount, capture_output=True, check=False)
        assert done.returncode != 0, f"{line!r} did not fail"
        assert b"Read-only file system" in done.stderr, f"{line!r}: {done.stderr.decode()}"


def names_that_are_not(gate):
    for path in (
        "nothing",
        "now/nothing",
        "now/cost/nothing",
        "logs/other.jsonl",
        "logs/requests-20200101T00Z.jsonl",
        "logs/requests-x.jsonl",
        "README/x",
    ):
        try:
            os.stat(gate.mount / path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        raise AssertionError(f"{path} is there")


def no_executables(gate):
    """Mounted nosuid, nodev, noexec, read-only, for all users."""
    for line in open("/proc/self/mountinfo"):
        fields = line.split()
        if fields[4] in (str(gate.mount), str(gate.mount / "now")):
            options = set(fields[5].split(",")) | set(fields[-1].split(","))
            wanted = {"ro", "nosuid", "nodev", "noexec", "allow_other", "default_permissions"}
            assert wanted <= options, f"{fields[4]}: {options}"


def other_user(gate):
    """Values are everybody's, logs are not."""
    gate.dir.chmod(0o711)
    script = (
        "import sys; print(open('now/cost/today_usd').read(), end='')\n"
        "try: open('logs/requests.jsonl')\n"
        "except PermissionError: sys.exit(0)\n"
        "sys.exit(1)"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script],
        cwd=gate.mount,
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    equal((done.returncode, done.stdout), (0, gate.read("now/cost/today_usd")), done.stderr)


def register(suite, gate):
    tools = Tools(gate)
    for name in (
        "cat",
        "cat_all",
        "busybox_cat",
        "head_and_tail",
        "wc",
        "grep",
        "find",
        "ls",
        "du",
        "df",
        "cp",
        "tar",
        "rsync",
        "python",
        "dd",
        "seek",
        "awk",
    ):
        suite.check(f"tools/{name.replace('_', '-')}", getattr(tools, name))
    suite.check("refusals/system-calls", refuses_changes, gate)
    suite.check("refusals/shell", refuses_from_shell, gate)
    suite.check("refusals/unknown-names", names_that_are_not, gate)
    suite.check("refusals/mount-options", no_executables, gate)
    suite.check("refusals/other-user", other_user, gate)
    busy = BusyTools(gate)
    for name in ("cp", "tar", "rsync", "grep", "ls", "find"):
        suite.check(f"tools/busy-{name}", busy.each, 20, getattr(busy, name))
