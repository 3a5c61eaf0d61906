"""A Python that has imported what Snakemake and the jobs of a study import, and runs each script in a fork of itself.

A study at a hundredth of its size has hundreds of jobs whose work takes less time than `import torch`. Rules, scripts and
their processes are as always; the project's own library is imported by each of them anew.

    with warm_python(folder) as python:      # a program to be called as `python script.py`
"""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

IMPORTED = (
    "torch", "diffusers.training_utils", "diffusers.models.unets.unet_2d", "accelerate", "torchmetrics.image.fid", "facenet_pytorch",
    "sklearn.manifold", "sklearn.decomposition", "scipy.stats", "matplotlib.pyplot", "pandas", "h5py", "pydantic", "yaml",
    "snakemake.cli", "snakemake.script", "snakemake.io", "PIL.Image", "lmdb", "msgpack", "safetensors.torch",
)  # fmt: skip
CLIENT = """#!{python} -SE
import array, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = "\\0".join([os.getcwd(), *sys.argv[1:], "", *(f"{{k}}={{v}}" for k, v in os.environ.items())]).encode()
server.sendmsg([len(request).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
server.sendall(request)
pid = int.from_bytes(server.recv(8), "big")
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os.kill(pid, number))
sys.exit(int.from_bytes(server.recv(8), "big"))
"""


@contextlib.contextmanager
def warm_python(folder: Path) -> Iterator[Path]:
    """The program, in `folder`; the process behind it ends with the context."""
    address, program, ready = folder / "socket", folder / "python", folder / "ready"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, __file__, str(address), str(ready)], env=environment)
    try:
        while not ready.exists():
            assert server.poll() is None, "the warm Python did not start"
            time.sleep(0.1)
        program.write_text(CLIENT.format(python=sys.executable, address=str(address)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        yield program
    finally:
        server.terminate()
        server.wait()


def serve(address: str, ready: str) -> None:
    """Import, then fork for every connection; the fork of the fork is the job, its parent reports how it ended."""
    import importlib

    sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))
    own = importlib.import_module("semihard")  # it makes torchvision importable beside a CPU build of torch
    for name in IMPORTED:
        importlib.import_module(name)
    loaded = [sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == own.__name__]
    assert loaded  # forgotten, so that a job imports its project's, but alive: PyTorch needs the operators it declared
    del sys.path[0]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(8)
    Path(ready).touch()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # reporters end unattended
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _report(connection)
        connection.close()


def _report(connection: socket.socket) -> None:
    length, fds, _, _ = socket.recv_fds(connection, 8, 3)
    request = b""
    while len(request) < int.from_bytes(length, "big"):
        request += connection.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _run(fds, request.decode())
    connection.sendall(pid.to_bytes(8, "big"))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall((status if status >= 0 else 128 - status).to_bytes(8, "big"))
    os._exit(0)


def _run(fds: list[int], request: str) -> None:
    import runpy

    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    (folder, *arguments), environment = (part.split("\0") for part in request.split("\0\0", 1))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(item.split("=", 1) for item in environment if "=" in item)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv, code = arguments, 0
    sys.path[0] = str(Path(arguments[0]).parent)
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if code and code is not stop.code:
            print(stop.code, file=sys.stderr)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(*sys.argv[1:])
