# SPDX-License-Identifier: MIT OR Apache-2.0
"""The controller's half of the module gpunode: the host's variables go in, the node's report comes out as a file."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import tempfile

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# Answers that hold for a whole cluster: a host that has others than its group would fight with the rest of it.
OF_THE_CLUSTER = ("driver_owner", "kubespray", "inventory", "gpu_nodes", "run_playbooks", "variables")
# What the steps of a report are called, by the state that was asked for.
DOING = {
    "probed": "binary", "detected": "detect", "applied": "prepare", "verified": "verify", "undone": "undo",
    "noted": "prepare",
}
# Where `gpunode ansible` puts the binaries.
BINARIES = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "roles", "binary", "files"))
# The form of the report's file.
FORM = 1


class ActionModule(ActionBase):
    """Fills in what the task leaves out, runs the module, and keeps what came of it."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Runs the module on the node."""
        self._variables = task_vars or {}
        self._result = super().run(tmp, task_vars)
        state = self._task.args.get("state", "detected")
        args, clash = self._arguments()
        if clash:
            self._write(state, {"state": "failed", "text": clash, "help": "change host_vars, or take the host out"})
            return dict(self._result, failed=True, msg=clash)
        if state == "noted":
            self._write(state, args.get("note", {}))
            return dict(self._result, changed=False)
        # A plan within a run that changes things is only of interest where it fails.
        is_plan = self._task.check_mode and state == "applied"
        if state != "probed" and not is_plan:
            self._write(state, {"state": "running"})
        try:
            result = self._execute_module("gpunode.gpunode.gpunode", args, task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            self._write(state, {"state": "unreachable", "text": str(error), "help": "the run can be repeated"})
            raise
        if state == "probed" and not result.get("failed"):
            result.update(self._compare(result, args["binary"]))
        report = result.pop("report", None) or self._of_failure(result)
        if result.get("failed") or not is_plan:
            self._write(state, report)
        return dict(self._result, simulated=self._is_simulated(args), **result)

    @staticmethod
    def _is_simulated(args):
        return any(option.startswith(("--demo", "--replay")) for option in args["options"])

    def _compare(self, found, destination):
        """Compares the binary of the node with the controller's; returns what to copy, or why nothing can be."""
        folder = self._variable("gpunode_binaries") or BINARIES
        architecture = self._variable("gpunode_architecture") or found["architecture"]
        name = "gpunode-" + architecture
        try:
            with open(os.path.join(folder, "SHA256SUMS"), encoding="utf-8") as sums:
                known = {line.split()[1].lstrip("*"): line.split()[0] for line in sums if len(line.split()) == 2}
        except OSError as error:
            return self._refusal(f"{folder}/SHA256SUMS: {error.strerror}", "gpunode ansible DIR writes it")
        if name not in known:
            there = ", ".join(sorted(known)) or "nothing"
            text = f"there is no gpunode for {architecture}: {folder} has {there}"
            return self._refusal(text, "gpunode ansible DIR --binary FILE adds one")
        source = os.path.join(folder, name)
        if found["sha256"] == known[name]:
            return {"stale": False, "source": source, "destination": destination}
        try:
            with open(source, "rb") as binary:
                digest = hashlib.sha256(binary.read()).hexdigest()
        except OSError as error:
            return self._refusal(f"{source}: {error.strerror}", "gpunode ansible DIR writes it again")
        if digest != known[name]:
            text = f"{source} is not what its SHA256SUMS says: it was copied by half, or changed"
            return self._refusal(text, "gpunode ansible DIR writes it again")
        return {"stale": True, "source": source, "destination": destination}

    @staticmethod
    def _refusal(text, advice):
        report = {"state": "failed", "text": text, "help": advice}
        return {"failed": True, "msg": f"{text} ({advice})", "report": report}

    @staticmethod
    def _of_failure(result):
        if result.get("failed"):
            text = result.get("module_stderr") or result.get("msg") or "the module failed"
            return {"state": "failed", "text": str(text).strip(), "help": "ansible-playbook -vvv tells more"}
        return {}

    def _variable(self, name, default=None):
        value = self._variables.get(name, default)
        return self._templar.template(value) if isinstance(value, (str, dict, list)) else value

    def _arguments(self):
        """Returns the module's arguments, and how this host's answers clash with its group's, if they do."""
        args = dict(self._task.args)
        host = self._variables["inventory_hostname"]
        args.setdefault("binary", self._variable("gpunode_binary", "/usr/local/bin/gpunode"))
        args.setdefault("options", self._variable("gpunode_options", []))
        if self._variable("gpunode_session"):
            args.setdefault("session", self._variable("gpunode_session"))
        group, own = self._variable("gpunode_answers", {}), self._variable("gpunode_host_answers", {})
        clashes = [key for key in OF_THE_CLUSTER if key in own and own[key] != group.get(key, own[key])]
        if clashes:
            key = clashes[0]
            text = f"{host}: its {key} is {own[key]}, and its group's is {group[key]}; one cluster has one {key}"
            return args, text
        # A machine of a rehearsal can only boot itself; a real one is booted by Ansible, which waits for it.
        standing = {"node": host, "reboot": "now" if self._is_simulated(args) else "never"}
        args["answers"] = {**standing, **group, **own, **args.get("answers", {})}
        args["answers"]["reboot"] = standing["reboot"]
        return args, None

    def _folder(self):
        folder = self._variable("gpunode_reports")
        return folder or os.path.join(self._variables.get("inventory_dir") or os.getcwd(), ".gpunode-reports")

    def _write(self, state, news):
        """Merges what is new into the node's report: whole, or not at all. A run that only checks writes nothing."""
        if self._variables.get("ansible_check_mode"):
            return
        host = self._variables["inventory_hostname"]
        folder = self._folder()
        path = os.path.join(folder, host.replace("/", "_") + ".json")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        try:
            with open(path, encoding="utf-8") as old:
                report = json.load(old)
        except (OSError, ValueError):
            report = {}
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        report.update(form=FORM, node=host, written=now, doing=DOING[state])
        report.update({"text": "", "help": ""} if news.get("state") else {})
        report.update(news)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".report-")
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            json.dump(report, new)
        os.replace(name, path)
