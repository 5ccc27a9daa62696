"""Fetch an asset: download to a temporary file, check its hash, unpack to a temporary folder, record, rename."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from amodalsynth.assets import store
from amodalsynth.assets.manifest import AssetManifest, load_manifest
from amodalsynth.assets.store import Progress
from amodalsynth.assets.unpack import unpack
from amodalsynth.errors import AssetDamaged, AssetError, AssetMissing, ConfigurationError

_RETRIES = 2
_TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 20


def fetch(name: str, *, url: str | None = None, progress: Progress | None = None) -> Path:
    """Download the asset `name` from its manifest's address, or from `url`, unpack it and return its root folder.

    An asset that is here already, fetched or added, is left alone.

    A hash that the manifest gives is checked before anything is unpacked, whatever the address; where nobody publishes one, the hash of
    what came is recorded. Raises `AssetMissing` for an asset that needs a login, `AssetError` when the download fails, `AssetDamaged`
    for a download that is not the asset or must not be unpacked. After any error nothing is left that looks fetched.
    """
    manifest = load_manifest(name)
    if store.is_present(name):
        return store.locate(name)
    if manifest.url is None:
        raise store.missing(manifest)
    address = url or manifest.url
    if urlsplit(address).scheme not in ("http", "https"):
        raise ConfigurationError(
            f"--url {address}: expected http:// or https://; unpack a local archive and run `amodalsynth assets add {name} PATH`"
        )
    with store.staging(name) as stage:
        if store.is_present(name):  # another process was quicker
            return store.locate(name)
        archive, sha256 = _download(manifest, address, stage, progress)
        assert manifest.max_files is not None and manifest.max_bytes is not None
        unpacked = stage / "unpacked"
        report = None if progress is None else lambda done: progress("unpack", done, None)
        unpack(archive, unpacked, max_files=manifest.max_files, max_bytes=manifest.max_bytes, progress=report)
        archive.unlink()
        try:
            return store.publish(manifest, stage, unpacked, url=address, archive_sha256=sha256, progress=progress).root
        except AssetMissing as error:
            raise AssetDamaged(str(error)) from error


def _download(manifest: AssetManifest, address: str, folder: Path, progress: Progress | None) -> tuple[Path, str]:
    """The archive in `folder` and its sha256, checked against the manifest's where that has one."""
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    assert manifest.file_name is not None
    registry = {manifest.file_name: None if manifest.sha256 is None else f"sha256:{manifest.sha256}"}
    courier = pooch.create(folder, base_url="", registry=registry, urls={manifest.file_name: address}, retry_if_failed=_RETRIES)
    limit = manifest.size_bytes or manifest.max_bytes
    assert limit is not None

    def download(url: str, output_file: str, pooch_: pooch.Pooch) -> None:
        with Path(output_file).open("wb") as file:
            meter = _Meter(file, limit, manifest, progress)
            pooch.HTTPDownloader(chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_S)(url, meter, pooch_)

    try:
        archive = Path(courier.fetch(manifest.file_name, downloader=download))
    except requests.RequestException as error:
        advice = "; ".join(["try again later, or give another address with --url", *filter(None, [manifest.instructions])])
        raise AssetError(f"{manifest.title}: {_reason(error)} ({address}); {advice}") from error
    except ValueError as error:  # pooch: the hash of the download differs
        told = f"expected sha256 {manifest.sha256}, got another"
        raise AssetDamaged(f"{manifest.title}: what came from {address} is not the asset ({told}); try again, or another --url") from error
    return archive, manifest.sha256 or pooch.file_hash(str(archive))


class _Meter:
    """The file that a download is written to: counts the bytes, tells of progress and refuses more than `limit` of them."""

    def __init__(self, file: BinaryIO, limit: int, manifest: AssetManifest, progress: Progress | None) -> None:
        self._file, self._limit, self._manifest, self._progress = file, limit, manifest, progress
        self._num_bytes = 0

    def write(self, chunk: bytes) -> None:
        self._num_bytes += len(chunk)
        if self._num_bytes > self._limit:
            raise AssetDamaged(f"{self._manifest.title}: the server sends more than {self._limit:,} bytes; what comes is not the asset")
        self._file.write(chunk)
        if self._progress is not None:
            self._progress("download", self._num_bytes, self._manifest.size_bytes)

    def flush(self) -> None:
        """pooch flushes after every chunk; the file is closed, and so flushed, before anything reads it."""


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke before the end of the download"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return " ".join(str(error).split())
