"""What a package index and pip see: one version everywhere, measured lower bounds, a page without broken links."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minigan
from minigan.__main__ import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def requirements(text):
    """{name: lowest version or None} of requirements, one a line"""
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, lowest = re.fullmatch(r"([\w.-]+)((?:>=|==)([\w.]+))?(?:; .*)?", line).groups()
        found[name] = lowest
    return found


def number(version):
    """A version for comparison: 2.0 is 2.0.0."""
    parts = [int(part) for part in version.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


def constraints():
    lines = (ROOT / ".ci/lowest.txt").read_text().splitlines()
    return requirements("\n".join(line for line in lines if not line.startswith("#")))


def test_one_version(setup):
    assert setup["metadata"]["version"] == "attr: minigan.__version__"
    assert f"\nversion: {minigan.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    newest = re.search(r"^## (\S+?)(?:,|$)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    assert newest == minigan.__version__


@pytest.mark.parametrize(("program", "name"), [("/x/bin/minigan", "minigan"), ("/x/__main__.py", "python -m minigan")])
def test_the_command_says_its_version_and_how_it_was_called(program, name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [program])
    for option, said in (("--version", f"minigan {minigan.__version__}\n"), ("--help", f"usage: {name} [-h]")):
        with pytest.raises(SystemExit) as end:
            main([option])
        assert not end.value.code and capsys.readouterr().out.startswith(said)


def test_importing_the_commands_does_not_import_matplotlib_or_onnx():
    """They take a second, and most commands draw no curves and write no models."""
    script = "import sys; from minigan.__main__ import make_parser; make_parser(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], timeout=60, capture_output=True, text=True).stdout.split()
    assert "minigan" in modules and not {"matplotlib", "onnx"} & set(modules)


def test_every_requirement_has_a_lower_bound_and_the_tests_run_with_it(setup):
    extras = setup["options.extras_require"]
    needed = requirements(setup["options"]["install_requires"])
    for extra in ("svhn", "tensorboard", "study", "mpi", "onnx", "keras", "test"):
        needed |= requirements(extras[extra])
    lowest = constraints()
    assert needed.keys() == lowest.keys()
    for name, bound in needed.items():
        assert bound and number(bound) == number(lowest[name]), name


def imported_modules(file):
    """The first parts of the names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


def test_every_package_that_is_imported_is_declared(setup):
    """Pillow, say, which matplotlib brings along, until one day it does not."""
    projects = {"PIL": "Pillow"}
    known = sys.stdlib_module_names | {"minigan", "cupy", "cupyx", "cuda"}  # the last three: extras cuda12x, cuda13x
    declared = requirements(setup["options"]["install_requires"])
    for extra in ("svhn", "tensorboard", "study", "mpi", "onnx", "keras", "test"):
        declared |= requirements(setup["options.extras_require"][extra])
    for file in (ROOT / "minigan").rglob("*.py"):
        for module in imported_modules(file):
            assert module in known or projects.get(module, module) in declared, f"{file.name} imports {module}"


def test_what_the_package_promises_is_in_it(setup):
    assert "py.typed" in setup["options.package_data"]["minigan"] and (ROOT / "minigan/py.typed").exists()
    for package, names in setup.items("options.package_data"):
        for name in names.split():
            assert any((ROOT / package.replace(".", "/")).glob(name)), name
    # and what is in the folders is promised: a file that is not named here is missing in the wheel
    for file in (ROOT / "minigan").rglob("*"):
        if file.is_file() and file.suffix not in (".py", ".pyc"):
            package = ".".join(file.parent.relative_to(ROOT).parts)
            names = setup["options.package_data"].get(package, "").split()
            assert any(map(file.match, names)), f"{file}: name it in setup.cfg"
    module, function = setup["options.entry_points"]["console_scripts"].split("=")[1].strip().split(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))
    for python in re.findall(r"Python :: (3\.\d+)$", setup["metadata"]["classifiers"], re.M):
        assert python in (ROOT / ".github/workflows/tests.yml").read_text(), f"no job for Python {python}"


def test_the_page_of_the_package_index(setup, tmp_path, monkeypatch):
    """It has no link or picture that is relative to a repository, and its code runs."""
    page = (ROOT / setup["metadata"]["long_description"].removeprefix("file: ")).read_text()
    assert [target for target in re.findall(r"\]\(([^)]+)\)", page) if not target.startswith("https://")] == []
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    assert len(blocks) == 2
    exec(compile("\n".join(blocks), "package_index.md", "exec"), {"__name__": "__page__"})


def test_the_source_distribution_holds_what_the_readme_links_to():
    manifest = (ROOT / "MANIFEST.in").read_text()
    held = {"LICENSE", "README.md", "minigan", *re.findall(r"^graft (\S+)$", manifest, re.M)}
    for line in re.findall(r"^include (.+)$", manifest, re.M):
        held |= set(line.split())
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("http") or target in held or target.split("/")[0] in held, target
