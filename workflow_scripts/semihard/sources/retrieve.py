"""Fetching a file or a repository: resumable, checked, and there only when it is whole."""

import errno
import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.settings.downloads import Download
from semihard.settings.paths import DOWNLOADS
from semihard.sources.archive import unpacked_archive
from semihard.storage.atomic import atomic_folder, atomic_path
from semihard.storage.checksum import sha256_of

PARTIAL = ".partial"  # the folder, among the downloads, of what is being fetched, by checksum
AT_ONCE = 1 << 20
TIMEOUT = 30.0  # seconds without a byte


def retrieve(settings: Download, output: Path | str) -> None:
    """Fetch a download to `output`: the file, or the folder it becomes.

    What has come of a file is kept: after an interruption, the next call goes on behind it. Raises ConnectionError where the
    server cannot be reached, or has no such file, or the connection is lost, InputError where the checksum is another, or the
    Hub has no such repository, revision or file.
    """
    output = Path(output)
    if settings.hub and not settings.file:
        return _repository(settings, output)
    file = _of_the_hub(settings, output) if settings.hub else _of_the_web(settings, output)
    if settings.unpack:
        with unpacked_archive(file, lambda name: True, []) as folder, atomic_folder(output) as partial:
            shutil.copytree(folder, partial, dirs_exist_ok=True)
    else:
        with atomic_path(output) as partial:
            shutil.copyfile(file, partial)
    if not settings.hub:
        file.unlink()


def _of_the_web(settings: Download, output: Path) -> Path:
    """The file of a URL, checked, in the folder of partial ones."""
    partial = output.with_name(PARTIAL) / settings.sha256
    partial.parent.mkdir(parents=True, exist_ok=True)
    if partial.is_file() and sha256_of(partial) == settings.sha256:  # whole, and put there by hand maybe
        return partial
    resumed = _fetch(settings.url, partial, output)
    checksum = sha256_of(partial)
    if checksum != settings.sha256 and resumed:  # what was there was of another file
        partial.unlink()
        _fetch(settings.url, partial, output)
        checksum = sha256_of(partial)
    if checksum != settings.sha256:
        partial.unlink()
        raise InputError(
            f"{settings.url}: sha256 is {checksum}, expected {settings.sha256}; the file is another one now, or was "
            "changed on its way: look whether its source names a new checksum, and trust it before you write it down"
        )
    return partial


def _fetch(url: str, partial: Path, output: Path) -> bool:
    """Fetch the rest of a file; True where something of it had been there."""
    there = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(
        url, headers={"User-Agent": "semihard"} | ({"Range": f"bytes={there}-"} if there else {})
    )
    by_hand = f"fetch it elsewhere, put it at {partial}, and run again"
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            there = there if response.status == 206 else 0  # a server that knows no ranges sends all
            partial.touch()
            length = int(response.headers.get("Content-Length") or 0)
            with (
                partial.open("r+b") as file,
                progress(f"fetch {output.name}", there + length, "B", there) as advance,
            ):
                file.truncate(there)
                file.seek(there)
                while block := response.read(AT_ONCE):
                    file.write(block)
                    advance(len(block))
    except urllib.error.HTTPError as error:
        if error.code == 416 and there:  # all of it is there, or more
            return True
        raise ConnectionError(f"{url}: the server says {error.code} {error.reason}; {by_hand}") from None
    except (OSError, http.client.HTTPException) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = getattr(error, "reason", error)
        raise ConnectionError(
            f"{url}: cannot be fetched ({reason}), {_size(partial)} bytes have come; run again, it goes on there, or without a "
            f"network {by_hand}"
        ) from None
    if length and _size(partial) < there + length:
        raise ConnectionError(
            f"{url}: the connection was lost after {_size(partial)} of {there + length} bytes; run again, it goes on there"
        )
    return bool(there)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _of_the_hub(settings: Download, output: Path) -> Path:
    from huggingface_hub import hf_hub_download

    file = Path(_hub(hf_hub_download, settings, output, filename=settings.file))
    if (checksum := sha256_of(file)) != settings.sha256:
        raise InputError(
            f"hub {settings.hub} at {settings.revision}: sha256 of {settings.file} is {checksum}, expected {settings.sha256}; "
            "correct the entry if you trust the commit"
        )
    return file


def _repository(settings: Download, output: Path) -> None:
    from huggingface_hub import snapshot_download

    with atomic_folder(output) as partial:
        shutil.copytree(_hub(snapshot_download, settings, output), partial, dirs_exist_ok=True)


def _hub(get: object, settings: Download, output: Path, **what: str) -> str:
    """What huggingface_hub fetches, resuming by itself, with the user's token where there is one (`hf auth login`)."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"hub {settings.hub} at {settings.revision}"
    try:
        return get(settings.hub, revision=settings.revision, **what)
    except LocalEntryNotFoundError:
        place = DOWNLOADS / output.name
        raise ConnectionError(
            f"{where}: the Hub cannot be reached; run again where it can, or fetch it there with `hf download {settings.hub} "
            f"{settings.file or ''} --revision {settings.revision}` and bring ~/.cache/huggingface along ({place} is made of it)"
        ) from None
    except GatedRepoError:
        raise InputError(f"{where}: is gated; accept its terms on the Hub, then `hf auth login`") from None
    except RevisionNotFoundError:
        raise InputError(f"{where}: has no such revision; correct `revision`, the commit's 40 digits") from None
    except RepositoryNotFoundError:
        raise InputError(f"{where}: there is no such repository, or it is private (`hf auth login`)") from None
    except EntryNotFoundError:
        raise InputError(f"{where}: has no file {settings.file}; correct `file`") from None
    except Exception as error:  # whatever the network makes of it
        raise ConnectionError(f"{where}: cannot be fetched ({str(error).strip().splitlines()[0]}); run again") from None
