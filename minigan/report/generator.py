"""The generator of a run, which runs in the browser: as a part of its report, or as a page of its own."""

import json
from urllib.parse import quote

from minigan.files import printable
from minigan.pages import element
from minigan.pages.generator import generator_body, generator_data, write_generator
from minigan.training.facts import description_of, facts_of

MOST = 3_000_000  # characters of a generator in a report: the rest of 5 MB is for pictures, text and programs


def write_generator_page(trained, path):
    """Write a page with the generator of a TrainedRun: the average of it, if `trained` makes its samples so."""
    facts = facts_of(trained, "generator")
    write_generator(
        path,
        trained.gan.sampler(trained.averaged),
        trained.gan.latent,
        title=f"The generator of {printable(facts['experiment'])}",
        lead=[
            element("p", element("bdi", printable(description_of(trained, "generator")))),
            element("p", f"Licence of the images it learned from: {printable(facts['data_licence'])}", class_="soft"),
        ],
        data_range=trained.experiment.data_range,
        command=command_of(trained),
    )


def command_of(trained):
    """Return what draws the same images in Python. It does not name the folder: a page may travel."""
    return f"python -m minigan sample RUN{'' if trained.averaged else ' --raw'}"


class GeneratorPart:
    """The generator of a TrainedRun in the report at `path`: in the page itself, or beside it if it is too large.

    part       the part of the page; data: what its scripts need, empty if the generator is beside
    characters how many of the page it takes
    """

    def __init__(self, trained, path):
        network, latent = trained.gan.sampler(trained.averaged), trained.gan.latent
        data = generator_data(network, latent, trained.experiment.data_range, command_of(trained))
        self.characters = len(json.dumps(data))
        if self.characters <= MOST:
            self.data, self.part = {"generator": data}, [ABOUT, generator_body(data, heading="h3")]
            return
        beside = path.with_name(f"{'' if path.stem == 'report' else path.stem + '_'}generator.html")
        write_generator_page(trained, beside)
        size = f"{self.characters / 1e6:.1f} MB"
        link = element("a", "a page of its own", href=quote(beside.name))
        self.characters, self.data = 0, {}
        self.part = element(
            "p", f"The network has {size}, too much for this page. It runs in ", link, f", {beside.name}, beside it."
        )


ABOUT = element(
    "p",
    "The network itself runs in this page. It computes what it computes in Python (docs/browser.md).",
    class_="soft",
)
