"""How much of an official data set is there: a part of one is used as it is, with a notice that says how much."""


class PartialDataWarning(UserWarning):
    """A data set is used that is only a part of the official one, or lacks its labels."""


def notice(name, split, where, count, official, lacking=()):
    """The text of the warning that `where` holds `count` of `official` images; None where nothing is lacking.

    lacking  what else is not there: names of files, "labels"
    """
    if count == official and not lacking:
        return None
    without = f", without {' and '.join(lacking)}" if lacking else ""
    return (
        f'{name}, split "{split}": {where} holds {count:,} of the {official:,} images{without}. They are used as they '
        f"are; put the official files there, or leave directory (--data-dir) out, for the whole set."
    )
