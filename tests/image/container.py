"""The image that the Dockerfile makes, built without a registry: on a Debian of this machine's mirror in place of python:3.12-slim.

As a program it stands in for apptainer: container.py FOLDER exec --home HOME [--bind FROM:TO …] IMAGE COMMAND…
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("buildah", "mmdebstrap")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def missing() -> str | None:
    """Why no image can be built here, if none can."""
    if os.geteuid():
        return "an image is built without Docker as root"
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    return f"not installed: {', '.join(lacking)} (make test-image installs them)" if lacking else None


class Image:
    """An image and a container of it, both in `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder

    def build(self) -> None:
        """By the Dockerfile; pip has in it the settings that it has here, and the folders of wheels while it is built."""
        base = self.folder / "base.tar"
        packages = "--include=python3,python3-venv,ca-certificates"
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", base], check=True)
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, str(base), "/")
        base.unlink()
        self.buildah("copy", "--quiet", container, str(CERTIFICATES), str(CERTIFICATES))
        settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        given = [f"--env={name}={value}" for name, value in (settings | {"SSL_CERT_FILE": str(CERTIFICATES)}).items()]
        self.buildah("config", *given, container)
        self.buildah("commit", "--quiet", "--rm", container, "localhost/base")
        wheels = [path for path in settings.get("PIP_FIND_LINKS", "").split() if Path(path).is_dir()]
        mounts = [f"--volume={path}:{path}:ro" for path in wheels]
        build = ("bud", "--isolation=chroot", "--from=localhost/base", "--pull-never", "--tag=semihard")
        self.buildah(*build, *mounts, str(ROOT))
        self.buildah("from", "--pull-never", "--name=semihard", "localhost/semihard")

    def run(self, *command: str, options: tuple[str, ...] = ()) -> str:
        """What a command in the container prints."""
        return self.buildah("run", "--isolation=chroot", *options, "semihard", "--", *command)

    def buildah(self, *arguments: str) -> str:
        storage = (f"--root={self.folder}/storage", f"--runroot={self.folder}/running")
        done = subprocess.run(["buildah", *storage, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout.strip()

    def apptainer(self, folder: Path) -> Path:
        """A folder for PATH in which `apptainer` is this file."""
        program = folder / "apptainer"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {self.folder} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        return folder


def stand_in(folder: Path, arguments: list[str]) -> None:
    """Run the command of `apptainer exec` in the container, which sees the home and what is bound."""
    if arguments == ["--version"]:
        print("apptainer version 1.3.0")
        return
    assert arguments.pop(0) == "exec", arguments
    options = [f"--user={os.getuid()}:{os.getgid()}"]
    while arguments[0].startswith("--"):
        option, value = arguments.pop(0), arguments.pop(0)
        where = {"--home": f"{value}:{value}", "--bind": value if ":" in value else f"{value}:{value}"}[option]
        options += [f"--volume={where}"] + ([f"--workingdir={value}"] if option == "--home" else [])
    options += [f"--env={name}={value}" for name, value in os.environ.items() if name.endswith("_NUM_THREADS")]
    print(Image(folder).run(*arguments[1:], options=tuple(options)))


if __name__ == "__main__":
    stand_in(Path(sys.argv[1]), sys.argv[2:])
