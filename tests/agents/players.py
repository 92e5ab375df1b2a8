# SPDX-License-Identifier: Apache-2.0
"""The agents as their makers publish them on npm, each in a home and a work folder of its own, with what
they send home switched off."""

import dataclasses
import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile

import steps

MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
PROMPT = "Mend {}/greeting.txt, please: its first word has one letter too few."
RUN_S = 60
README_BASE = "http://127.0.0.1:8080"


@dataclasses.dataclass
class Outcome:
    """What an agent said of its run."""

    status: int
    text: str  # its last words
    session: str
    usage: dict
    folder: pathlib.Path
    output: str


def readme(name):
    """What README.md tells to set."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    return re.search(rf"<!-- agents: {name} -->\n```\w+\n(.*?)```\n", text, re.S)[1]


def modules():
    return pathlib.Path(os.environ["TIDEGATE_NODE_MODULES"])


def claude_program():
    return modules() / f"@anthropic-ai/claude-code-linux-{MACHINE}" / "claude"


def codex_program():
    found = modules().glob(f"@openai/codex-linux-{MACHINE}/vendor/*/bin/codex")
    return next(found, pathlib.Path("codex"))


def work_folder():
    """A home, with a work folder in it that has the broken file."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="agent-", dir=os.environ.get("TIDEGATE_TMP")))
    folder = home / "work"
    folder.mkdir()
    (folder / "greeting.txt").write_text(steps.BROKEN)
    return home, folder


def run(command, home, folder, proxy, **environment):
    """All but loopback would be asked by the proxy."""
    return subprocess.run(
        command,
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "HTTP_PROXY": proxy,
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )


def run_claude(base, key, model, proxy):
    """One task by Claude Code; `base` has no /v1."""
    home, folder = work_folder()
    values = {README_BASE: base, "tg-...": key, "demo": model}
    said = re.findall(r"export (\w+)=(\S+)", readme("claude.sh"))
    done = run(
        [
            claude_program(),
            "--print",
            "--output-format=json",
            "--allowedTools=Read,Edit,Write,Bash",
            PROMPT.format(folder),
        ],
        home,
        folder,
        proxy,
        **{name: values[value] for name, value in said},
        DISABLE_TELEMETRY="1",
        DISABLE_ERROR_REPORTING="1",
        DISABLE_AUTOUPDATER="1",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
    )
    told = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    return Outcome(
        done.returncode,
        told.get("result", ""),
        told.get("session_id", ""),
        told.get("usage", {}),
        folder,
        done.stdout + done.stderr,
    )


CODEX_SILENT = """\
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
{readme}{more}

[analytics]
enabled = false

[features]
plugins = false
remote_plugin = false
apps = false
"""


def run_codex(base, key, model, proxy, more=""):
    """One task by Codex; `base` has no /v1, `more` goes into the provider's table."""
    home, folder = work_folder()
    (home / ".codex").mkdir()
    said = readme("codex.toml")
    for old, new in ((README_BASE, base), ('"demo"', f'"{model}"')):
        assert said.count(old) == 1, f"README.md's codex.toml has {old} {said.count(old)} times"
        said = said.replace(old, new)
    config = CODEX_SILENT.format(readme=said, more=more)
    (home / ".codex" / "config.toml").write_text(config)
    done = run(
        [codex_program(), "exec", "--skip-git-repo-check", "--json", PROMPT.format(folder)],
        home,
        folder,
        proxy,
        TIDEGATE_KEY=key,
    )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    items = [one["item"] for one in told if one["type"] == "item.completed"]
    return Outcome(
        done.returncode,
        next((i["text"] for i in reversed(items) if i["type"] == "agent_message"), ""),
        next((one["thread_id"] for one in told if one["type"] == "thread.started"), ""),
        next((one["usage"] for one in told if one["type"] == "turn.completed"), {}),
        folder,
        done.stdout + done.stderr,
    )
