# SPDX-License-Identifier: Apache-2.0
"""How a mount begins and ends: where it may lie, what it hides, and what survives a death."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

import world
from tap import equal
from tidegate import wait_until

REFUSED_S = 20


def works(gate):
    """A call's cost becomes visible in the mount."""
    client = world.Client(gate)
    status, request_id = client.call()
    client.close()
    equal(status, 200, "status of a call")
    gate.wait_request(request_id)
    total = sum(row["cost_nano"] for row in gate.rows("request"))
    wanted = f"{total // 10**9}.{total % 10**9:09d}\n"
    wait_until(lambda: gate.read("now/cost/total_usd") == wanted, what="the total in the mount")
    assert request_id in gate.read("logs/requests.jsonl"), "the log has no row of the call"


@contextlib.contextmanager
def holder(gate, script):
    """A shell that holds something in the mount."""
    shell = subprocess.Popen(
        ["sh", "-c", script],
        cwd=gate.mount,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        equal(shell.stdout.readline(), b"held\n", "the holder's word")
        yield shell
    finally:
        shell.kill()
        shell.wait()
        shell.stdin.close()
        shell.stdout.close()


def refused(gate, *more):
    """Starts a daemon that must refuse; what it says."""
    done = subprocess.run(
        gate.command("--foreground", *map(str, more)),
        capture_output=True,
        text=True,
        timeout=REFUSED_S,
        check=False,
        cwd=gate.dir,
    )
    equal(done.returncode, 1, f"exit status: {done.stderr}")
    return done.stderr


def mounts_at(path):
    lines = [line.split() for line in open("/proc/self/mountinfo")]
    return [line for line in lines if line[4] == str(path)]


def unstarted(upstream, **more):
    """A Tidegate that is not started; close() is the caller's."""
    return contextlib.closing(world.gate(upstream, **more))


def ends(gate):
    """Stops a daemon where the folder stays a mount, as stop() would not have it."""
    process, gate.process = gate.process, None
    process.send_signal(signal.SIGTERM)
    equal(process.wait(20), 0, "exit status")
    gate.log_file.close()


def killed(upstream):
    """kill -9, then a new start on the same mount point, thrice; the log keeps its number."""
    with world.gate(upstream) as gate:
        works(gate)
        number = (gate.mount / "logs/requests.jsonl").stat().st_ino
        for _ in range(3):
            gate.kill()
            assert gate.is_mounted(), "a dead daemon's mount is expected to stay"
            try:
                gate.read("README")
            except OSError:
                pass
            else:
                raise AssertionError("a dead daemon's mount can be read")
            gate.start()
            works(gate)
            equal(len(mounts_at(gate.mount)), 1, "mounts on the folder")
            equal((gate.mount / "logs/requests.jsonl").stat().st_ino, number, "the log's number")


def killed_while_held(upstream):
    """As above, with a shell's working folder and open files in the dead mount."""
    with world.gate(upstream) as gate:
        with holder(
            gate,
            "cd now/cost; exec 3<../status.json 4<../../logs/requests.jsonl;"
            " echo held; read x; cat <&4 && echo read; exec ls",
        ) as shell:
            gate.kill()
            gate.start()
            works(gate)
            shell.stdin.write(b"\n")
            shell.stdin.flush()
            said = shell.stdout.read()
            assert b"read" not in said.split() and said, f"the dead mount said {said!r}"


def stopped_while_held(upstream):
    """SIGTERM ends the daemon and the mount while somebody is in it; stop() judges both."""
    with world.gate(upstream) as gate:
        with holder(
            gate,
            "cd now/cost; exec 3<../status.json 4<../../logs/requests.jsonl; echo held; exec cat",
        ):
            gate.stop()
            equal(mounts_at(gate.mount), [], "mounts on the folder")
            assert "somebody" not in gate.log(), gate.log()
            gate.start()
            works(gate)


def what_lies_beneath(upstream):
    """Another file system on the mount point is neither unmounted nor hidden for good."""
    with unstarted(upstream) as gate:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", gate.mount], check=True)
        beneath = os.open(gate.mount, os.O_RDONLY)
        try:
            gate.start()
            gate.kill()
            gate.start()
            with holder(gate, "cd now; echo held; exec cat"):
                ends(gate)
            os.close(os.open("mine", os.O_CREAT | os.O_WRONLY, dir_fd=beneath))
            equal(os.listdir(gate.mount), ["mine"], "what lay beneath")
        finally:
            os.close(beneath)
            subprocess.run(["umount", gate.mount], check=True)


def non_empty(upstream):
    """A folder that holds something is not covered, and the refusal says what to do."""
    with unstarted(upstream) as gate:
        (gate.mount / "kept").write_text("kept")
        said = refused(gate)
        assert str(gate.mount) in said and '"kept"' in said and "move" in said, said
        equal((gate.mount / "kept").read_text(), "kept", "what a mount would have hidden")
        (gate.mount / "kept").unlink()
        gate.start()
        works(gate)


def on_a_link(upstream):
    """A link as mount point is refused however it is written, and leads nowhere new."""
    with unstarted(upstream) as gate:
        link = gate.dir / "link"
        for target in (gate.mount, gate.dir / "missing"):
            link.symlink_to(target)
            for given in (link, f"{link}/", f"{link}//./", "link"):
                said = refused(gate, "--mount", given)
                assert "symbolic link" in said and str(target) in said, said
            link.unlink()
        assert not (gate.dir / "missing").exists(), "the link's target was made"


def parents_open(upstream):
    """Whoever may read the mount can come to it: missing parents are made for all, whatever the
    umask."""
    with unstarted(upstream) as gate:
        gate.prefix = ["sh", "-c", 'umask 0077; exec "$@"', "sh"]
        gate.args, gate.mount = ["--mount", str(gate.dir / "a/b")], gate.dir / "a/b"
        gate.start()
        equal((gate.dir / "a").stat().st_mode & 0o777, 0o755, "mode of the parent")
        gate.stop()
        equal((gate.dir / "a/b").stat().st_mode & 0o777, 0o755, "mode of the mount point")


def odd_places(upstream):
    """A folder that is missing, with spaces and a backslash, over a link, with a slash behind,
    relative."""
    with unstarted(upstream) as gate:
        real = gate.dir / "missing" / "two words\\040"
        (gate.dir / "link").symlink_to(gate.dir / "missing")
        for given in (
            real,
            f"{gate.dir}/link/two words\\040/",
            "missing/../missing/two words\\040",
        ):
            gate.args, gate.mount = ["--mount", str(given)], real
            gate.start()
            works(gate)
            gate.kill()
            gate.start()
            equal(
                open("/proc/self/mountinfo").read().count("missing/two\\040words"),
                2,
                f"mounts (the tree and now/) on {given}",
            )
            works(gate)
            gate.stop()
            equal(os.listdir(real), [], "what is left in the folder")


def no_mount(upstream):
    with world.gate(upstream, args=["--mount", "none"]) as gate:
        client = world.Client(gate)
        equal(client.call()[0], 200, "a call without a mount")
        client.close()
        equal(os.listdir(gate.mount), [], "the folder")


def on_a_file(upstream):
    with unstarted(upstream) as gate:
        path = gate.dir / "file"
        path.write_text("x")
        said = refused(gate, "--mount", path)
        assert str(path) in said and "director" in said, said
        equal(path.read_text(), "x", "the file")


def one_state(upstream):
    """A second daemon on one state folder that may not take over says so, and leaves the first
    alone."""
    with world.gate(upstream) as gate:
        said = refused(gate, "--no-takeover")
        assert str(gate.state) in said and "another tidegated" in said, said
        works(gate)


def one_mount(upstream):
    """A second daemon on one mount point too."""
    with world.gate(upstream) as gate, unstarted(upstream) as other:
        said = refused(other, "--mount", gate.mount)
        assert str(gate.mount) in said and "another tidegated" in said, said
        works(gate)


def frozen(upstream):
    """A stopped daemon's readers can be killed, others are refused its place, and it goes on."""
    with world.gate(upstream) as gate, unstarted(upstream) as other:
        os.kill(gate.process.pid, signal.SIGSTOP)
        try:
            # Names that nobody has looked up wait for the daemon.
            reader = subprocess.Popen(
                ["cat", "logs/requests.jsonl"],
                cwd=gate.mount,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            asleep = pathlib.Path(f"/proc/{reader.pid}/wchan")
            wait_until(
                lambda: "fuse" in asleep.read_text() or "request" in asleep.read_text(),
                what="a reader that waits for the daemon",
            )
            reader.kill()
            equal(reader.wait(5), -signal.SIGKILL, "the reader's end")
            said = refused(other, "--mount", gate.mount)
            assert "does not answer" in said, said
        finally:
            os.kill(gate.process.pid, signal.SIGCONT)
        works(gate)


@contextlib.contextmanager
def thread_stopped(gate, name):
    """One thread of the daemon stands still, as if its work took long; by ptrace."""
    seize, interrupt, detach, any_child = 0x4206, 0x4207, 17, 0x40000000
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    tasks = pathlib.Path(f"/proc/{gate.process.pid}/task")
    (tid,) = [int(t.name) for t in tasks.iterdir() if (t / "comm").read_text() == name + "\n"]
    for request in (seize, interrupt):
        assert ptrace(request, tid, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(tid, any_child)
    try:
        yield
    finally:
        ptrace(detach, tid, None, None)


def slow_reader(upstream):
    """A look-up that is not answered yet holds up nobody but itself: figures go on changing."""
    with world.gate(upstream) as gate:
        gate.read("now/status.json")

        def uptime():
            return gate.admin_socket("GET", "/api/v1/status").json()["uptime_s"]

        with thread_stopped(gate, "fs-now"):
            reader = subprocess.Popen(
                ["stat", gate.mount / "now/nothing"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            asleep = pathlib.Path(f"/proc/{reader.pid}/wchan")
            wait_until(
                lambda: "fuse" in asleep.read_text() or "request" in asleep.read_text(),
                what="a look-up that waits for the daemon",
            )
            first = uptime()
            wait_until(lambda: uptime() >= first + 3, what="three seconds in the status")
        equal(reader.wait(5), 1, "the look-up's end")
        works(gate)


def unmounted_by_hand(upstream):
    """The appliance goes on without its mount, says so, and ends cleanly; a restart mounts it
    again."""
    with world.gate(upstream) as gate:
        works(gate)
        subprocess.run(["umount", gate.mount / "now"], check=True)
        subprocess.run(["umount", gate.mount], check=True)
        wait_until(lambda: gate.log().count("somebody unmounted it") == 2, what="two warnings")
        client = world.Client(gate)
        equal(client.call()[0], 200, "a call without the mount")
        client.close()
        time.sleep(0.2)  # a tick, which tells the kernel of changes
        gate.restart()
        works(gate)


def mounted_over(upstream):
    """What somebody mounted over ours is left alone."""
    with world.gate(upstream) as gate:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", gate.mount], check=True)
        try:
            (gate.mount / "theirs").write_text("x")
            ends(gate)
            equal(os.listdir(gate.mount), ["theirs"], "what was mounted over ours")
        finally:
            subprocess.run(["umount", gate.mount], check=True)
        gate.start()
        works(gate)
        equal(len(mounts_at(gate.mount)), 1, "mounts on the folder")


def register(suite, upstream):
    for function in (
        killed,
        killed_while_held,
        stopped_while_held,
        what_lies_beneath,
        non_empty,
        on_a_link,
        parents_open,
        odd_places,
        no_mount,
        on_a_file,
        one_state,
        one_mount,
        frozen,
        slow_reader,
        unmounted_by_hand,
        mounted_over,
    ):
        suite.check(f"life/{function.__name__.replace('_', '-')}", function, upstream)
