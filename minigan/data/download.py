"""The cache folder and downloading one official file into it, from the first mirror that works, whole or not at all."""

import logging
import os
from contextlib import contextmanager
from pathlib import Path

import pooch
from tqdm.auto import tqdm

from minigan.data import reading
from minigan.errors import DataError, FileError
from minigan.files import make_folder

TIMEOUT = 30  # seconds without a byte from the server


def cache_folder(name):
    """Return the folder of the data set `name` in the folder MINIGAN_CACHE, or in the user's cache folder."""
    return Path(os.environ.get("MINIGAN_CACHE") or pooch.os_cache("minigan")).expanduser() / name


def cached(set_name, name, md5, mirrors):
    """Return the path of the official file `name` in the cache, with its MD5 sum checked; download it if missing."""
    folder = cache_folder(set_name)
    path = reading.find(folder, name)
    if path is None:
        return fetch(name, md5, mirrors, folder)
    try:
        found = pooch.file_hash(path, alg="md5")
    except OSError as error:
        raise reading.unreadable(path, error) from error
    if found != md5:
        raise DataError(f"{path}: damaged, or not the official file: MD5 {found}, expected {md5}. {reading.ADVICE}")
    return path


def fetch(name, md5, mirrors, folder):
    """Download the file `name` with the given MD5 sum from the first of `mirrors` that works and return its path.

    The file takes its name in `folder` only once it is complete and its sum is right; otherwise nothing is left and
    an older file stays as it was (pooch's temporary file sees to that).
    Errors: DataError with every URL tried; FileError where the folder cannot be written to.
    """
    _make_cache_folder(folder)
    failures = []
    for url in (mirror + name for mirror in mirrors):
        try:
            return _retrieve(url, md5, name, folder)
        except (OSError, ValueError) as error:  # the network, the disk; a wrong sum
            failures.append((url, error))
    tried = "".join(f"\n  {url}: {_reason(error)}" for url, error in failures)
    raise DataError(
        f"cannot download {name}:{tried}\nDownload it in another way, put it into a folder together with the other "
        'files of its data set, and give that folder: directory="DIR" (--data-dir DIR). The built-in data set '
        '"digits" needs no download.'
    ) from failures[-1][1]


def _make_cache_folder(folder):
    try:
        make_folder(folder)
    except FileError as error:
        raise FileError(
            f"cannot write to the cache folder {folder}: {error.__cause__}. Choose another one with the environment "
            f'variable MINIGAN_CACHE, or give a folder that holds the files: directory="DIR" (--data-dir DIR).'
        ) from error


def _retrieve(url, md5, name, folder):
    # pooch asks for the truth of the bar, which tqdm answers by total > 0; pooch sets the real total from the reply.
    with tqdm(total=1, desc=name, unit="B", unit_scale=True, leave=False) as bar, _quiet_pooch():
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=TIMEOUT)
        return Path(pooch.retrieve(url, f"md5:{md5}", fname=name, path=folder, downloader=downloader))


@contextmanager
def _quiet_pooch():
    """Keep pooch's messages off the terminal: the bar says what is downloaded, DataError what failed."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error):
    """Return why a download failed, in a few words; the full error is chained."""
    import requests  # slow to import and already there: pooch has used it

    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT} s"
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return f"the connection failed or was interrupted ({type(error).__name__})"
    return str(error)
