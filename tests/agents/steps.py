# SPDX-License-Identifier: Apache-2.0
"""The task, step by step: what the model answers at each, by the tools that the agent has."""

import json
import pathlib
import re

STEPS = 4  # the last has no call
COUNTED = 4321  # tokens, when they are counted
BROKEN, MENDED = 'helo "wörld"\n', 'hello "wörld"\n'
NOTES = 'tab\there, "quoted" \\ back\\slash, é 世界 🌊 </tool> $HOME `id`\n\tlast line\n'
LAST = "Mended. It says: "
MEND = re.compile(r"Mend (/\S+)")
PIECE = 11  # bytes of arguments that come at once


def usage(step):
    return {
        "fresh": 1000 + 10 * step,
        "read": 100 * step,
        "write": 0,
        "output": 20 + step,
        "reasoning": 0,
    }


def pieces(text):
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


class Offer:
    """The tools of a request."""

    def __init__(self, heard):
        self.schemas = {name: schema for name, _, schema in heard.tools}
        self.spaces = getattr(heard, "spaces", {})

    def named(self, name):
        """A tool's whole name: it may be in a namespace."""
        return next((n for n in self.schemas if n == name or n.endswith("__" + name)), None)

    def call(self, name, **arguments):
        text = json.dumps(arguments, ensure_ascii=False)
        return {**self.words(name, "call"), "arguments": pieces(text)}

    def words(self, name, kind):
        """The name as an answer has it."""
        whole = self.named(name)
        space, plain = self.spaces.get(whole, (None, whole))
        return {kind: plain, **({"space": space} if space else {})}

    def text_call(self, name, text):
        """Of a tool that takes text, or of the function that it became."""
        if self.schemas[self.named(name)] == "custom":
            return {**self.words(name, "custom"), "input": pieces(text)}
        return self.call(name, input=text)


def claude(offer, folder):
    greeting, notes = f"{folder}/greeting.txt", f"{folder}/notes.txt"
    edit = {"old_string": "helo", "new_string": "hello", "replace_all": False}
    return [
        [
            {"reasoning": ["The file first, ", 'then the "edit".']},
            {"text": ["Let me ", "look."]},
            offer.call("Read", file_path=greeting),
        ],
        [
            offer.call("Edit", file_path=greeting, **edit),
            offer.call("Write", file_path=notes, content=NOTES),
        ],
        [offer.call("Bash", command=f"cat {greeting} && wc -c < {notes}", description="Look")],
    ]


def shell(offer, folder, command):
    return offer.call("exec_command", cmd=command, workdir=str(folder))


def here(name, text):
    return f"cat > {name} <<'END OF IT'\n{text}END OF IT\n"


def codex(offer, folder):
    """Functions only, as Codex has them for a model that it does not know."""
    return [
        [
            {"reasoning": ["The file first, ", 'then the "edit".']},
            {"text": ["Let me ", "look."]},
            shell(offer, folder, "cat greeting.txt"),
        ],
        [
            shell(offer, folder, "sed -i s/helo/hello/ greeting.txt"),
            shell(offer, folder, here("notes.txt", NOTES)),
            offer.call("close_agent", target="nobody"),
        ],
        [shell(offer, folder, "cat greeting.txt && wc -c < notes.txt")],
    ]


PATCH = f"""*** Begin Patch
*** Update File: greeting.txt
@@
-{BROKEN}+{MENDED}*** Add File: notes.txt
{"".join("+" + line for line in NOTES.splitlines(True))}*** End Patch"""


def codex_patch(offer, folder):
    """A patch by a tool that takes text, and, where the search for tools is offered as one, a tool that only it
    finds."""
    first, (*_, close), last = codex(offer, folder)
    patch = offer.text_call("apply_patch", PATCH)
    if not offer.named("tool_search"):
        return [first, [patch], last]
    return [[*first, offer.call("tool_search", query="close agent")], [patch, close], last]


def codex_code(offer, folder):
    """A program, which calls the tools."""

    def program(command):
        given = json.dumps({"cmd": command, "workdir": str(folder)}, ensure_ascii=False)
        code = f"const r = await tools.exec_command({given});\ntext(r.output);\n"
        return [offer.text_call("exec", code)]

    look, last = program("cat greeting.txt"), program("cat greeting.txt && wc -c < notes.txt")
    patch = f"text(await tools.apply_patch({json.dumps(PATCH, ensure_ascii=False)}));\n"
    return [look, [offer.text_call("exec", patch)], last]


def player(offer):
    if offer.named("Edit"):
        return claude
    if offer.named("apply_patch"):
        return codex_patch
    return codex if offer.named("exec_command") else codex_code


def last_result(heard):
    """The text of what the last call brought."""
    parts = [part for _, turn in heard.turns for part in turn if part[0] == "result"]
    return "".join(text for _, text in parts[-1][3])


def script(heard):
    """The answer to a request."""
    told = "".join(p[1] for role, turn in heard.turns if role == "user" for p in turn if p[0] == "text")
    folder = pathlib.Path(MEND.search(told)[1]).parent
    offer = Offer(heard)
    plan = player(offer)(offer, folder)
    step = sum(any(p[0] == "call" for p in turn) for _, turn in heard.turns)
    made = {"id": f"msg_{step}", "usage": usage(step)}  # Claude Code joins answers of one id
    if step == len(plan):
        return {**made, "blocks": [{"text": [LAST, last_result(heard)]}], "stop": "done"}
    calls = [block for block in plan[step] if "call" in block or "custom" in block]
    if any(block.get("call", True) is None for block in calls):
        raise LookupError(f"step {step} needs a tool that is not offered: {sorted(offer.schemas)}")
    for number, block in enumerate(calls):
        block["id"] = f"call_{step}{number}"
    return {**made, "blocks": plan[step], "stop": "calls"}
