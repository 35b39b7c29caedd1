"""`python -OO` removes docstrings and assert statements: minigan works without either."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minigan

PACKAGE = Path(minigan.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_file_needs_a_docstring_or_an_assert(file):
    """An assert statement would vanish as a check of input; a docstring is None there: `__doc__ or ...` copes."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    with_fallback = {value for node in ast.walk(tree) if isinstance(node, ast.BoolOp) for value in node.values[:-1]}
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: raise an error of minigan.errors instead"
        name = getattr(node, "attr", None) or getattr(node, "id", None)
        assert name != "__doc__" or node in with_fallback, f"line {node.lineno}: __doc__ without `or`"


SCRIPT = """
from minigan.__main__ import main
from minigan.checks import check_layer, layer_check
from minigan.data import make_digits
from minigan.layers import Dense

report = check_layer(lambda: Dense(2), (3,))
print("all clauses:", report.count("  ok  ") + 2 == len(layer_check.CLAUSES))
for run, arguments in ((make_digits.main, ["--help"]), (main, ["--help"]), (main, ["list", "A1"])):
    try:
        run(arguments)
    except SystemExit as end:
        print("ended with", end.code or 0)
"""


def test_a_check_and_the_commands_run_without_docstrings():
    process = subprocess.run([sys.executable, "-OO", "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert process.returncode == 0 and process.stderr == "", process.stderr
    assert "all clauses: True" in process.stdout and process.stdout.count("ended with 0") == 3
    assert "Train, resume and judge" in process.stdout and "discriminator" in process.stdout
