"""A training on several nodes of a SLURM job: its script runs on each of them, and their processes meet."""

import os
import signal
import socket
import subprocess
import sys

RENDEZVOUS = "SEMIHARD_RENDEZVOUS"  # of the environment: "nodes host:port" where every node of several runs the script


def is_on_each_node() -> bool:
    """True in a script that runs on every node of several."""
    return RENDEZVOUS in os.environ


def on_each_node(nodes: int) -> None:
    """Run this very script on every node of the SLURM job, and end as it ends there; returns at once where it runs so, and on
    one node.

    The script's processes find each other at a port of the first node (compute.processes). SIGTERM and SIGINT are passed on.
    """
    if nodes == 1 or is_on_each_node():
        return
    with socket.socket() as one:
        one.bind(("", 0))
        place = f"{nodes} {socket.gethostname()}:{one.getsockname()[1]}"
    kept = ("SLURM_JOB_ID", "SLURM_CONF")  # the rest is of the step that runs here, and would shape the new one
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_") or name in kept}
    step = subprocess.Popen(
        ["srun", "--overlap", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--cpu-bind=none",
         "--kill-on-bad-exit=1", sys.executable, *sys.argv],
        env=environment | {RENDEZVOUS: place},
    )  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: step.send_signal(number))
    status = step.wait()
    sys.exit(status if status >= 0 else 128 - status)
