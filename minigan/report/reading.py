"""What the folder of a run says: history, notes, metrics. A file that is damaged is left out, with a sentence about it.

A run folder may come from a stranger, or be half written. So every file is checked before its contents are shown.
"""

import csv
import io
import json
import math
import os
import re
from dataclasses import dataclass, field
from datetime import datetime

from minigan.errors import FileError, MiniganError
from minigan.files import printable, read_file
from minigan.training.checkpoints import COLUMNS, JUDGED_AT, METRICS, RATES
from minigan.training.config import RunConfig
from minigan.training.folder import LOCK, OWNER, RunFolder, host_name
from minigan.training.sharpness import COLUMNS as SHARPNESS_COLUMNS

LARGEST = 2**24  # bytes of a text file that is read
MOST_NOTES = 2_000
NOTE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)  (.*)", re.ASCII)
BEGUN = re.compile(r"training from step ([\d,]{1,20}) of ([\d,]{1,20}) on .*", re.ASCII)
ENDED = re.compile(r"(finished|stopped by signal \d{1,3}) after ([\d,]{1,20}) steps", re.ASCII)
FAILED = re.compile(r"stopped at step ([\d,]{1,20}): .*", re.ASCII)
AT_STEP = re.compile(r"step ([\d,]{1,20}): .*", re.ASCII)
RECOVERED = re.compile(r"no longer|differ again|usual size again")


@dataclass
class Note:
    """A line of notes.txt. step: which the note is about, or None; recovery: it says that a problem is over"""

    time: datetime | None
    text: str
    step: int | None = None
    recovery: bool = False

    @property
    def is_health(self):
        return AT_STEP.fullmatch(self.text) is not None or FAILED.fullmatch(self.text) is not None


@dataclass
class Session:
    """A time in which the run trained. end, last: None if it ended without a word, or goes on"""

    begin: datetime
    first: int
    end: datetime | None = None
    last: int | None = None
    how: str = "no end noted"

    @property
    def seconds(self):
        return None if self.end is None else (self.end - self.begin).total_seconds()


@dataclass
class Record:
    """What is known of a run.

    history     rows of history.csv: a dict of numbers for each epoch, NaN among them
    metrics     rows of metrics.csv: a dict of numbers for each time the samples were judged, NaN where there are none
    scores      what `evaluate` wrote, or None; raw_scores: of the generator without its average
    sharpness   rows of sharpness.csv
    troubles    a sentence for each file that is damaged
    """

    folder: RunFolder
    config: RunConfig
    history: list = field(default_factory=list)
    metrics: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    sessions: list = field(default_factory=list)
    scores: dict | None = None
    raw_scores: dict | None = None
    sharpness: list = field(default_factory=list)
    troubles: list = field(default_factory=list)

    @property
    def path(self):
        return self.folder.path

    @property
    def step(self):
        """Return how many steps are known to be taken."""
        return self.history[-1]["step"] if self.history else 0

    @property
    def title(self):
        config = self.config
        return f"{printable(config.experiment)} on {printable(config.dataset)}, seed {config.seed}"

    def epoch_of(self, step):
        return step / max(1, self.config.steps_per_epoch)


def read_record(path):
    """Return the Record of the run in a folder.

    Errors     CheckpointError if the folder is not one of a run, or holds a link to another place
    """
    folder, config = RunFolder.open(path)
    folder.refuse_links()
    record = Record(folder, config)
    record.history = read_part(record, "history.csv", read_history) or []
    record.metrics = read_part(record, "metrics.csv", read_metrics) or []
    record.sharpness = read_part(record, "sharpness.csv", read_sharpness) or []
    record.scores = read_part(record, "evaluation.json", read_scores)
    record.raw_scores = read_part(record, "evaluation_raw.json", read_scores)
    record.notes = read_part(record, "notes.txt", read_notes) or []
    record.sessions = sessions_of(record.notes)
    return record


def read_part(record, name, read):
    """Return what `read` makes of a file of the run, or None; a file that is not there is no trouble."""
    path = record.path / name
    if not os.path.lexists(path):
        return None
    try:
        return read(read_file(path, LARGEST).decode("utf-8"), record.troubles.append)
    except FileError as error:
        record.troubles.append(f"{name} is left out: {error}")
    except (ValueError, TypeError, KeyError, RecursionError, csv.Error) as error:
        record.troubles.append(f"{name} is damaged and left out ({printable(error)[:200]}).")
    return None


def read_history(text, say):
    """Return the rows of history.csv up to the first wrong line."""
    columns = (*COLUMNS, *RATES) if text.partition("\n")[0].rstrip("\r").endswith(",".join(RATES)) else COLUMNS
    return read_table("history.csv", text, say, columns, history_row)


def history_row(values, before):
    """Return the numbers of a line; ValueError if they cannot follow the row before."""
    columns = (*COLUMNS, *RATES)[: max(len(values), len(COLUMNS))]
    row = {name: float(value) if value or name in COLUMNS else math.nan
           for name, value in zip(columns, values, strict=True)}  # fmt: skip
    step, epoch = row["step"], row["epoch"]
    if not (step.is_integer() and 0 < step < 1e15 and 0 < epoch < 1e15):  # inf is no integer, NaN no number
        raise ValueError
    if before and not (step > before["step"] and epoch > before["epoch"]):
        raise ValueError
    row["step"] = int(step)
    return row


def read_metrics(text, say):
    """Return the rows of metrics.csv up to the first wrong line."""
    found = text.partition("\n")[0].rstrip("\r").split(",")
    columns = (*JUDGED_AT, *(name for name in METRICS if name in found))
    return read_table("metrics.csv", text, say, columns, lambda values, before: metrics_row(columns, values, before))


def metrics_row(columns, values, before):
    """Return the numbers of a line, NaN for an empty text; ValueError if they cannot follow the row before."""
    row = dict(zip(columns, (float(value) if value else math.nan for value in values), strict=True))
    step, epoch, samples = (row[name] for name in JUDGED_AT)
    if not (step.is_integer() and 0 < step < 1e15 and samples.is_integer() and 0 < samples < 1e15 and 0 < epoch < 1e15):
        raise ValueError
    if before and not (step > before["step"] and epoch > before["epoch"]):
        raise ValueError
    if any(abs(value) > 1e300 for value in row.values()):  # infinity too
        raise ValueError
    return {**row, "step": int(step), "samples": int(samples)}


def read_sharpness(text, say):
    """Return the rows of sharpness.csv up to the first wrong line."""
    return read_table("sharpness.csv", text, say, SHARPNESS_COLUMNS, sharpness_row)


def sharpness_row(values, before):
    step, epoch, network, rank, value = values
    row = {"step": int(step), "epoch": float(epoch), "network": network, "rank": int(rank), "eigenvalue": float(value)}
    if network not in ("generator", "discriminator") or not math.isfinite(row["epoch"]) or not 1 <= row["rank"] <= 99:
        raise ValueError
    return row


def read_table(name, text, say, columns, row_of):
    """Return the rows of a table up to its first wrong line, of which `say` is told."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    if next(lines, None) != list(columns):
        raise ValueError(f"expected the columns {', '.join(columns)}")
    rows = []
    for number, values in enumerate(lines, start=2):
        try:
            if len(values) != len(columns):
                raise ValueError
            rows.append(row_of(values, rows[-1] if rows else None))
        except (ValueError, OverflowError):
            say(f"{name} is damaged in line {number:,}; only the {len(rows):,} rows before it are shown.")
            break
    return rows


def read_scores(text, say):
    """Return what evaluate wrote: its numbers, finite or NaN, and a few texts and lists."""
    scores = json.loads(text)
    if not isinstance(scores, dict):
        raise ValueError("expected an object in braces")
    kept = {}
    for name, value in scores.items():
        listed = isinstance(value, list) and len(value) <= 1000 and all(map(is_number, value))
        if value is None or is_number(value) or isinstance(value, (bool, str)) or listed:
            kept[name] = value
    return kept


def is_number(value):
    return type(value) in (int, float) and abs(value) < 1e300


def read_notes(text, say):
    """Return the lines of notes.txt as Notes; of very many, the first and the last."""
    notes = []
    for line in text.splitlines():
        match = NOTE.fullmatch(line)
        time, words = (match[1], match[2]) if match else (None, line)
        about = AT_STEP.fullmatch(words) or FAILED.fullmatch(words)
        step = int(about[1].replace(",", "") or 0) if about else None
        notes.append(Note(time_of(time), printable(words), step, RECOVERED.search(words) is not None))
    if len(notes) > MOST_NOTES:
        say(f"notes.txt has {len(notes):,} lines; the page shows the first and the last {MOST_NOTES // 2:,}.")
        notes = notes[: MOST_NOTES // 2] + notes[-MOST_NOTES // 2 :]
    return notes


def time_of(text):
    try:
        return datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def sessions_of(notes):
    """Return the Sessions that the notes tell of."""
    sessions = []
    for note in notes:
        begun, ended, failed = (pattern.fullmatch(note.text) for pattern in (BEGUN, ENDED, FAILED))
        if begun and note.time:
            sessions.append(Session(note.time, int(begun[1].replace(",", "") or 0)))
        elif (ended or failed) and sessions and sessions[-1].end is None:
            last = sessions[-1]
            last.end, last.last = note.time, int((ended[2] if ended else failed[1]).replace(",", "") or 0)
            last.how = ended[1] if ended else "stopped by an error"
    return sessions


def is_training(record):
    """Return True if the process that trains in the folder is alive, False if it is not, None if nobody can say."""
    try:
        text = read_file(record.path / LOCK, 1000).decode("ascii")
        match = OWNER.fullmatch(text) and re.match(r"process (\d+) on (\S+)", text)
        if not match or os.name == "nt" or match[2] != host_name():
            return None
        os.kill(int(match[1]), 0)  # asks whether the process is there; sends nothing
    except (MiniganError, UnicodeDecodeError, OverflowError):
        return None
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
