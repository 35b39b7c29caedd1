"""Which files of an official data set these are: a part of one, or others, is used as it is, with a warning."""

import hashlib


class PartialDataWarning(UserWarning):
    """A data set is used that is only a part of the official one, or lacks its labels."""


class UnofficialDataWarning(UserWarning):
    """A data set is used whose files are not the official ones, though they have their names and sizes."""


def partial(name, split, where, count, official, lacking=()):
    """Return the warnings that `where` holds `count` of `official` images; none where nothing is lacking.

    lacking  what else is not there: names of files, "labels"
    """
    if count == official and not lacking:
        return []
    without = f", without {' and '.join(lacking)}" if lacking else ""
    text = (
        f'{name}, split "{split}": {where} holds {count:,} of the {official:,} images{without}. They are used as '
        "they are. For the whole set, put the official files there, or leave directory (--data-dir) out."
    )
    return [PartialDataWarning(text)]


def unofficial(name, split, files):
    """Return the warnings that some of `files`, each (origin, content, official MD5), are not official."""
    sums = [(origin, hashlib.md5(content, usedforsecurity=False).hexdigest(), md5) for origin, content, md5 in files]
    others = [f"{origin} has the MD5 {found}, expected {md5}" for origin, found, md5 in sums if found != md5]
    if not others:
        return []
    more = f"; {len(others) - 1} more files are not official" if len(others) > 1 else ""
    text = (
        f'{name}, split "{split}": not the official file: {others[0]}{more}. It can contain anything, and is used as '
        "it is. For the official set, put the official files there, or leave directory (--data-dir) out."
    )
    return [UnofficialDataWarning(text)]
