"""The JavaScript of the pages under Node, where it is installed: networks run in the engine of Chromium."""

import json
import shutil
import subprocess
from pathlib import Path

import minigan.pages

FOLDER = Path(minigan.pages.__file__).parent
NODE = shutil.which("node") or shutil.which("nodejs")

# reads jobs, one JSON value a line, and writes one JSON value for each
PROGRAM = """
const fs = require("fs");
for (const file of JSON.parse(process.argv[1])) {
  require("vm").runInThisContext(fs.readFileSync(file, "utf8"), file);
}
for (const line of fs.readFileSync(0, "utf8").split("\\n").filter(Boolean)) {
  const { network, latents, n, labels } = JSON.parse(line);
  const y = new Network(network).predict(Float64Array.from(latents), n, labels);
  console.log(JSON.stringify(Array.from(y)));
}
"""


def run(program, lines=(), scripts=("layers.js", "network.js")):
    """Return the JSON values that a program prints, one a line, after the scripts of the pages."""
    files = json.dumps([str(FOLDER / script) for script in scripts])
    given = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run(
        [NODE, "-e", program, files], input=given, capture_output=True, text=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def job(data, x, labels=None):
    """Return what PROGRAM needs to run a network on x."""
    return {
        "network": data,
        "latents": x.reshape(-1).tolist(),
        "n": len(x),
        "labels": None if labels is None else [int(label) for label in labels],
    }
