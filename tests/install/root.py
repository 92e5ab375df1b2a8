# SPDX-License-Identifier: Apache-2.0
"""A minimal Debian 12 of its own: a fresh root by mmdebstrap with git and nothing else, entered in mount and process
namespaces of its own. It shares the host's network, for it installs packages, and gets from the host only the names
it needs for that: resolver, hosts and local certificate authorities.
"""

import datetime
import os
import pathlib
import shutil
import subprocess

CACHE = pathlib.Path(os.environ.get("TIDEGATE_CACHE", "/var/cache/tidegate-tests"))
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb",
       "NODE_EXTRA_CA_CERTS": CERTIFICATES, "PIP_CERT": CERTIFICATES}
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0),
           "fuse": (10, 229)}
# Process 1 of the namespace: mounts what is the namespace's own, then only collects children.
INIT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/dev/shm"
echo ready
while read -r line; do :; done
"""


def base_archive():
    """The tarball of the bare system, made once a day."""
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / f"bookworm-{datetime.date.today():%Y%m%d}.tar"
    if not archive.exists():
        for old in CACHE.glob("bookworm-*.tar"):
            old.unlink()
        part = archive.with_suffix(".tar.part")
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=git,ca-certificates", "--format=tar",
                        "bookworm", part], check=True, stdin=subprocess.DEVNULL)
        part.rename(archive)
    return archive


class Root:
    """The root and its namespaces; a context manager. `source` is cloned to /root/tidegate."""

    def __init__(self, folder, source):
        self.path = pathlib.Path(folder, "root")
        self.source = source
        self.init = None

    def __enter__(self):
        self.path.mkdir()
        subprocess.run(["tar", "-C", self.path, "--exclude=./dev/*", "-xf", base_archive()], check=True)
        (self.path / "dev/shm").mkdir(exist_ok=True)
        for name, (major, minor) in DEVICES.items():
            node = self.path / "dev" / name
            os.mknod(node, 0o20666, os.makedev(major, minor))
            node.chmod(0o666)
        for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
            (self.path / "dev" / name).symlink_to(f"/proc/self/{target}")
        for name in ("resolv.conf", "hosts"):
            shutil.copyfile(f"/etc/{name}", self.path / "etc" / name)
        for authority in pathlib.Path("/usr/local/share/ca-certificates").glob("*.crt"):
            shutil.copy(authority, self.path / "usr/local/share/ca-certificates")
        subprocess.run(["git", "clone", "-q", "--no-local", self.source, self.path / "root/tidegate"], check=True)
        self.init = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", INIT, "init", self.path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.init.stdout.readline() == "ready\n", "the namespaces could not be made"
        self.run("update-ca-certificates")
        return self

    def __exit__(self, *_):
        self.init.stdin.close()
        try:
            self.init.wait(30)
        except subprocess.TimeoutExpired:
            self.init.kill()
            self.init.wait()

    def command(self, *words, cwd="/root", env=None):
        """What to execute on the host so that `words` run inside."""
        children = pathlib.Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        settings = [f"{name}={value}" for name, value in {**ENV, **(env or {})}.items()]
        return ["nsenter", "-t", children[0], "--mount", "--pid", "chroot", str(self.path), "env", "-i",
                f"--chdir={cwd}", *settings, *map(str, words)]

    def run(self, *words, cwd="/root", env=None, check=True, timeout=600):
        """Runs a command inside, and gives what it printed; AssertionError when it fails."""
        done = subprocess.run(self.command(*words, cwd=cwd, env=env), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False)
        assert done.returncode == 0 or not check, f"{words}: status {done.returncode}: {done.stdout[-2000:]}"
        return done.stdout
