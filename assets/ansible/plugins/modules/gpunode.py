#!/usr/bin/python
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs one command of gpunode on a node and tells Ansible what came of it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gpunode
short_description: Detects, prepares, verifies and takes back a GPU node
version_added: "0.1.0"
description:
  - Runs gpunode on the node, reads its JSON, and maps it to C(changed), C(diff) and C(failed).
  - In check mode nothing is changed; what would be done is shown as a diff of C(gpunode plan).
  - Every option that is left out is taken from a variable of the host, see the README of the collection.
  - What came of it is kept on the controller, one file a node, for C(gpunode fleet).
options:
  state:
    description:
      - V(probed) looks at the machine and the binary, V(detected) runs step 1, V(applied) does O(steps),
        V(verified) judges the chain, V(undone) takes back what was done.
      - V(noted) only writes the node's report on the controller.
    type: str
    choices: [probed, detected, applied, verified, undone, noted]
    default: detected
  steps:
    description: The steps to do, for O(state=applied).
    type: list
    elements: int
    default: [1, 2]
  answers:
    description: What C(apply --answers) gets, by the keys of an answers file.
    type: dict
    default: {}
  binary:
    description: Where gpunode is, or shall be, on the node.
    type: path
    default: /usr/local/bin/gpunode
  session:
    description: The session file on the node; gpunode's own place if left out.
    type: path
  options:
    description: Options of every command of gpunode, such as C(--demo=ubuntu-2404) for a rehearsal.
    type: list
    elements: str
    default: []
  note:
    description: What the node's report says, for O(state=noted).
    type: dict
    default: {}
author:
  - The gpunode authors (@gpunode)
"""

EXAMPLES = r"""
- name: Install the driver
  gpunode.gpunode.gpunode:
    state: applied
    steps: [1, 2]
    answers:
      driver_owner: host
      cuda_version: none
"""

RETURN = r"""
needed:
  description: Whether there is anything to do; in check mode of O(state=applied).
  returned: in check mode
  type: bool
exit:
  description: The exit status of gpunode.
  returned: when it ran
  type: int
reboot:
  description: Whether the machine has to be booted again before it goes on.
  returned: always
  type: bool
card:
  description: Whether there is an NVIDIA card; null where that could not be told.
  returned: for O(state=detected)
  type: bool
report:
  description: What C(gpunode fleet) shows of this node.
  returned: always
  type: dict
"""

import hashlib
import json
import os
import platform
import struct
import tempfile

from ansible.module_utils.basic import AnsibleModule

# Exit statuses of gpunode.
NEGATIVE = 1
REBOOT = 3
TEMPORARY = 4
# e_machine of an ELF header, by the name that `uname -m` has. Source: elf.h.
MACHINES = {62: "x86_64", 183: "aarch64"}


class Broken(Exception):
    """Why it cannot go on, and what to do."""

    def __init__(self, text, advice=""):
        super().__init__(text)
        self.text, self.advice = text, advice


def elf_machine(head):
    """Returns the architecture of a program by its first bytes; None where it is no program of a known one."""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    order = ">" if head[5] == 2 else "<"
    return MACHINES.get(struct.unpack(order + "H", head[18:20])[0])


def probe(path):
    """Returns what is at the binary's place."""
    found = {"architecture": platform.machine(), "sha256": None, "binary_architecture": None}
    try:
        with open(path, "rb") as binary:
            head = binary.read(64)
            digest = hashlib.sha256(head)
            for block in iter(lambda: binary.read(1 << 20), b""):
                digest.update(block)
    except OSError:
        return found
    return dict(found, sha256=digest.hexdigest(), binary_architecture=elf_machine(head))


class Gpunode:
    """The program on this node."""

    def __init__(self, module):
        self.module = module
        self.binary = module.params["binary"]
        self.options = list(module.params["options"])
        if module.params["session"]:
            self.options += ["--session", module.params["session"]]

    def run(self, *words):
        """Runs a command; returns exit status, standard output and standard error."""
        seen = probe(self.binary)
        if seen["sha256"] is None:
            raise Broken(f"there is no gpunode at {self.binary}", "run the role binary before this one")
        if seen["binary_architecture"] != seen["architecture"]:
            what = seen["binary_architecture"] or "no known architecture"
            raise Broken(
                f"{self.binary} is for {what}, and this machine is {seen['architecture']}",
                "run the role binary again; if this stays, the file on the controller is the wrong one",
            )
        argv = [self.binary, *self.options, *words]
        code, out, err = self.module.run_command(argv, environ_update={"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"})
        if code < 0:
            raise Broken(f"{' '.join(argv)} was killed by signal {-code}", "run it again: it goes on where it was")
        return code, out, err

    def json(self, *words):
        """Runs a command that prints one JSON value; returns exit status and value."""
        code, out, err = self.run(*words)
        try:
            return code, json.loads(out)
        except ValueError:
            raise refused(code, out, err, words) from None

    def status(self):
        """Returns the session's state, or None where there is no session yet."""
        code, out, unused = self.run("status", "--json")
        return json.loads(out) if code == 0 else None

    def events(self, *words):
        """Runs a command that prints one JSON object a line."""
        code, out, err = self.run(*words)
        try:
            events = [json.loads(line) for line in out.splitlines() if line.strip()]
        except ValueError:
            raise refused(code, out, err, words) from None
        if not events or events[-1].get("event") != "end":
            raise refused(code, out, err, words)
        return code, events


def refused(code, out, err, words):
    """Makes the error of a command that did not print what it promises: it says two lines on standard error."""
    lines = err.strip().splitlines() or out.strip().splitlines() or [f"gpunode {words[0]} ended with {code}"]
    text = lines[0].split("gpunode: ", 1)[-1]
    advice = next((line.split("help: ", 1)[1] for line in lines if "help: " in line), "")
    return Broken(text, advice)


def failure(code, events):
    """Returns why a run failed, from its events."""
    for event in reversed(events):
        if event["event"] == "error":
            return Broken(event["text"], event.get("help", ""))
        if event["event"] == "failed":
            ended = [e for e in events if e["event"] == "ended" and e["id"] == event.get("id")]
            why = "; ".join(ended[-1]["evidence"][:2]) if ended else ""
            hits = [e for e in events if e["event"] == "hit"]
            advice = hits[-1]["remedy"] if hits else "gpunode status on the node tells more"
            return Broken(f"{event.get('title') or event.get('id')} failed: {why}", advice)
        if event["event"] == "cancelled":
            return Broken("it was stopped", "run it again: it goes on where it was")
        if event["event"] == "verdict":
            broken = [check for check in event["checks"] if check["state"] in ("fail", "unknown")]
            first = broken[0] if broken else {}
            return Broken(f"{first.get('title')}: {first.get('evidence')}", first.get("remedy") or "")
    return Broken(f"it ended with {code}")


def facts(found):
    """Returns what the fleet's table needs of `detect --json`."""
    return {
        "gpus": [{key: gpu.get(key) for key in ("name", "pci_address", "kernel_driver")} for gpu in found["gpus"]],
        "driver": {key: found["driver"].get(key) for key in ("loaded_version", "loaded_kind")},
        "host": {key: found["host"].get(key) for key in ("os_name", "kernel", "architecture", "boot_id", "hostname")},
        "findings": [
            {key: finding.get(key) for key in ("id", "severity", "message", "remedy")} for finding in found["findings"]
        ],
    }


def steps_of(status):
    """Returns what the fleet's table needs of `status --json`."""
    if status is None:
        return None
    keys = ("id", "step", "title", "status", "evidence")
    return {
        "steps": status["steps"],
        "journal": [{key: record.get(key) for key in keys} for record in status["journal"]],
    }


def done(status):
    """Returns what the journal says was done, with when: what is new in it has changed something."""
    journal = status["journal"] if status else []
    return {(r["id"], r["started"], r["status"]) for r in journal if r["status"] in ("done", "undone")}


def detected(gpunode, unused):
    """Step 1."""
    code, found = gpunode.json("detect", "--json")
    card = None if code == 2 and not found["gpus"] else bool(found["gpus"])
    state = {True: "ok", False: "no-card", None: "unknown"}[card]
    report = {"state": state, "detect": facts(found), "status": steps_of(gpunode.status())}
    return {"changed": False, "exit": code, "card": card, "report": report}


def planned(gpunode, params, answers):
    """What `applied` would do."""
    code, plan = gpunode.json("plan", "--answers", answers, "--json")
    wanted = [a for a in plan["actions"] if a["step"] in params["steps"] and not a["left_out"]]
    needed = [a for a in wanted if a["state"] != "done"]
    lines = []
    for action in needed:
        lines.append(f"{action['id']}: {action['title']}\n")
        lines += [f"  $ {' '.join(argv)}\n" for argv in action["commands"]]
        lines += [f"  {line}\n" for line in (action["diff"] or "").splitlines()]
    diff = {"before": "", "after": "".join(lines), "before_header": "now", "after_header": "gpunode apply"}
    reboot = any(action["needs_reboot"] for action in needed)
    return {"changed": bool(needed), "needed": bool(needed), "exit": code, "reboot": reboot, "diff": diff}


def applied(gpunode, params):
    """The steps, or in check mode their plan."""
    with tempfile.NamedTemporaryFile("w", dir=gpunode.module.tmpdir, suffix=".yaml") as answers:
        # JSON is YAML, and every string in it is quoted.
        json.dump(params["answers"], answers)
        answers.flush()
        if gpunode.module.check_mode:
            return planned(gpunode, params, answers.name)
        steps = ",".join(str(step) for step in params["steps"])
        before = done(gpunode.status())
        code, events = gpunode.events("apply", "--answers", answers.name, "--yes", "--json", "--steps", steps)
    status = gpunode.status()
    report = {"status": steps_of(status)}
    verdicts = [event for event in events if event["event"] == "verdict"]
    if verdicts:
        report["verify"] = {key: verdicts[-1][key] for key in ("verdict", "checks")}
    elif done(status) - before:
        # What was judged before is another node by now.
        report["verify"] = None
    result = {"changed": bool(done(status) - before), "exit": code, "reboot": code == REBOOT, "report": report}
    if code not in (0, REBOOT, TEMPORARY):
        error = failure(code, events)
        return fail(result, error)
    report["state"] = {REBOOT: "reboot", TEMPORARY: "temporary"}.get(code, "ok")
    unused, found = gpunode.json("detect", "--json")
    report["detect"] = facts(found)
    return result


def verified(gpunode, params):
    """Step 4's checks."""
    words = ["--kubeconfig", params["answers"]["kubeconfig"]] if params["answers"].get("kubeconfig") else []
    words += ["--node", params["answers"]["node"]] if params["answers"].get("node") else []
    code, verdict = gpunode.json("verify", "--json", *words)
    report = {"verify": verdict, "status": steps_of(gpunode.status())}
    result = {"changed": False, "exit": code, "verdict": verdict["verdict"], "report": report}
    if verdict["verdict"] in ("ok", "temporary"):
        report["state"] = verdict["verdict"]
        return result
    return fail(result, failure(code, [dict(verdict, event="verdict")]))


def undone(gpunode, unused):
    """Takes back what was done."""
    status = gpunode.status()
    open_ids = [r["id"] for r in (status["journal"] if status else []) if r["status"] in ("done", "failed", "intent")]
    if status is None or not open_ids:
        return {"changed": False, "exit": 0, "report": {"state": "ok", "status": steps_of(status), "verify": None}}
    if gpunode.module.check_mode:
        diff = {"before": "".join(f"{name}\n" for name in open_ids), "after": ""}
        return {"changed": True, "exit": 0, "diff": diff}
    before = done(status)
    code, events = gpunode.events("undo", "--yes", "--json")
    after = gpunode.status()
    report = {"state": "ok", "status": steps_of(after), "verify": None}
    result = {"changed": bool(done(after) - before), "exit": code, "report": report}
    kept = [f"{e['title']}: {e['text']}" for e in events if e["event"] == "undo" and e["result"] == "kept"]
    if kept and not result["changed"]:
        # What cannot be taken back is said, and is no fault of a second run.
        report["text"] = "; ".join(kept)
        return result
    if code not in (0, NEGATIVE):
        return fail(result, failure(code, events))
    report["text"] = "; ".join(kept)
    return result


def fail(result, error):
    """Makes a result that fails, with what to do."""
    result["report"].update(state="failed", text=error.text, help=error.advice)
    return dict(result, failed=True, msg=error.text + (f" ({error.advice})" if error.advice else ""))


def run(module):
    """Does what was asked for."""
    state, params = module.params["state"], module.params
    if state == "noted":
        return {"changed": False, "report": params["note"]}
    if state == "probed":
        return dict(probe(params["binary"]), changed=False, report={"state": "running"})
    if module.check_mode and probe(params["binary"])["sha256"] is None:
        what = "gpunode is not on this node yet: what it would do cannot be told before"
        diff = {"before": "", "after": what + "\n"}
        return {"changed": True, "needed": True, "card": None, "diff": diff}
    work = {"detected": detected, "applied": applied, "verified": verified, "undone": undone}[state]
    return work(Gpunode(module), params)


def main():
    """Runs as a module of Ansible."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "default": "detected",
                "choices": ["probed", "detected", "applied", "verified", "undone", "noted"],
            },
            "steps": {"type": "list", "elements": "int", "default": [1, 2]},
            "answers": {"type": "dict", "default": {}},
            "binary": {"type": "path", "default": "/usr/local/bin/gpunode"},
            "session": {"type": "path"},
            "options": {"type": "list", "elements": "str", "default": []},
            "note": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except Broken as error:
        result = fail({"changed": False, "report": {}}, error)
    except OSError as error:
        result = fail({"changed": False, "report": {}}, Broken(f"{module.params['binary']}: {os.strerror(error.errno)}"))
    result.setdefault("reboot", False)
    module.exit_json(**result) if not result.get("failed") else module.fail_json(**result)


if __name__ == "__main__":
    main()
