"""Answers many inventories with one start of Ansible: the real `ansible-inventory`, run in a forked child for each question.

Reads one JSON list of arguments a line, with the working directory in front, and writes one JSON object a line: `status`, `out`, `err`.
Starting Python and loading Ansible takes most of a second; a fork takes some hundredths, and shares no state with the next question.
"""

import json
import os
import sys
import tempfile

os.environ.update(
    ANSIBLE_INVENTORY_UNPARSED_FAILED="true",
    ANSIBLE_NOCOLOR="1",
    LC_ALL="C.UTF-8",
    # What Kubespray's ansible.cfg says about folders of inventories.
    ANSIBLE_INVENTORY_IGNORE="~, .orig, .bak, .ini, .cfg, .retry, .pyc, .pyo, .creds, .gpg",
    ANSIBLE_INVENTORY_IGNORE_REGEX="artifacts, credentials",
)

from ansible.cli.inventory import InventoryCLI  # noqa: E402  (the environment has to be set first)
from ansible.inventory.manager import InventoryManager  # noqa: E402
from ansible.parsing.dataloader import DataLoader  # noqa: E402
from ansible.plugins.loader import inventory_loader, vars_loader  # noqa: E402

# Whatever is loaded here need not be loaded again in every child.
for name in ("host_list", "script", "auto", "yaml", "ini", "toml"):
    inventory_loader.get(name)
vars_loader.get("host_group_vars")


def child(folder, args, out, err):
    os.chdir(folder)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    if args[0] == "--groups":
        # What a playbook sees as `groups`: names of hosts, in order.
        print(json.dumps(InventoryManager(DataLoader(), args[1:]).get_groups_dict()))
        sys.stdout.flush()
        os._exit(0)
    sys.argv = ["ansible-inventory", *args]
    try:
        InventoryCLI.cli_executor(sys.argv)
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    sys.stdout.flush()
    os._exit(0)


for line in sys.stdin:
    folder, *args = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            child(folder, args, out, err)
        _, status = os.waitpid(pid, 0)
        text = []
        for file in (out, err):
            file.seek(0)
            text.append(file.read().decode())
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "out": text[0], "err": text[1]}), flush=True)
