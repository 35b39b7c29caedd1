"""Random damage to every file of a run: its page is written all the same, or one error says what is wrong."""

import random
import re
import warnings

import pytest
from report_helpers import make_run, rows_of_metrics

from minigan.errors import MiniganError
from minigan.report import write_comparison, write_report

TOKEN = re.compile(rb'-?\d+(?:\.\d+)?|"[^"]*"|true|false|null')
INSTEAD = (
    *(b"nan", b"inf", b"-inf", b"1e400", b"1e308", b"0", b"-1", b"9" * 30, b"null", b"true", b"{}", b"[]", b'""'),
    *(b'"\\ud800"', b'{"class": {"class": []}}', b'[{"layer": 3}]', b'"<script>"', b"\n", b"\x00", b"\xff", b","),
)


def damaged(content, rng):
    """Some bytes changed, cut out or put in, or whole values replaced."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 10])):
        place = rng.randrange(len(content) + 1)
        tokens = list(TOKEN.finditer(bytes(content)))
        how = rng.random()
        if how < 0.6 and tokens:
            token = rng.choice(tokens)
            content[token.start() : token.end()] = rng.choice(INSTEAD)
        elif how < 0.8:
            del content[place : place + rng.randrange(1, 50)]
        elif place < len(content):
            content[place] ^= 1 << rng.randrange(8)
    return bytes(content)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("damage") / "run", epochs=2, metrics=rows_of_metrics(2))
    table = "step,epoch,network,rank,eigenvalue\n0,0,generator,1,2.5\n20,1,discriminator,1,3\n"
    (run / "sharpness.csv").write_text(table)
    return run


def damage_and_write(run, out, rng):
    """Damage one to three files, write both pages, and restore the files."""
    files = [path for path in sorted(run.rglob("*")) if path.is_file()]
    before = {path: path.read_bytes() for path in rng.sample(files, rng.choice([1, 1, 3]))}
    for path, content in before.items():
        path.write_bytes(damaged(content, rng))
    try:
        write_report(run, out)
        write_comparison([run, run], out)
        assert b"<script>alert" not in out.read_bytes() and out.stat().st_size < 5_000_000
    except MiniganError as error:
        assert str(error)
    finally:
        for path, content in before.items():
            path.write_bytes(content)


@pytest.mark.parametrize("seeds", [range(6), pytest.param(range(6, 1500), marks=pytest.mark.slow)], ids=["few", "many"])
def test_random_damage(run, tmp_path, seeds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in seeds:
            damage_and_write(run, tmp_path / "a.html", random.Random(seed))
