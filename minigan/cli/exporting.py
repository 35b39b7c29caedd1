"""The command export: a network of a run in a file format that other programs read."""

from pathlib import Path

from minigan.cli.arguments import add_option, add_source
from minigan.cli.opening import open_trained
from minigan.errors import OptionError
from minigan.files import make_folder
from minigan.report.card import write_card
from minigan.report.generator import write_generator_page
from minigan.training.facts import description_of, facts_of

NETWORKS = ("generator", "discriminator")


def write_onnx(network, path, description, facts):
    """Write an ONNX model, for onnxruntime, browsers and other programs."""
    network.to_onnx(path, description, facts)


def write_safetensors(network, path, description, facts):
    """Write all arrays by name, with the architecture, for minigan and for programs that read safetensors."""
    network.to_safetensors(path, {"description": description, **facts})


# format -> a function of a network, the path, a sentence about it, and facts by name; a file's ending is the format
FORMATS = {"onnx": write_onnx, "safetensors": write_safetensors}
PAGE = "html"  # not for other programs: a page that runs the generator


def add_to(commands):
    parser = commands.add_parser(
        "export",
        help="write a network of a run as a file for other programs",
        description="Write the generator or the discriminator of a run, from its newest checkpoint, in a file format "
        "that other programs read; or, as html, a page that runs the generator in a browser. The file says which "
        "recipe and data made it. More: docs/interop.md, docs/browser.md",
    )
    parser.add_argument("run", type=Path, help="the folder of the run")
    parser.add_argument("--format", choices=(*FORMATS, PAGE), default="onnx", help="default: onnx")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: RUN/generator.onnx, by network and format")
    parser.add_argument("--network", choices=NETWORKS, default="generator", help="default: generator")
    add_option(parser, "--raw")
    add_source(parser)
    parser.set_defaults(command=export_network)


def export_network(args):
    if args.raw and args.network != "generator":
        raise OptionError("--raw: only generators have a moving average. Leave out --raw, or export the generator.")
    if args.format == PAGE and args.network != "generator":
        raise OptionError("--format html: a page can hold the generator only. Leave out --network.")
    run = open_trained(args.run, args)
    network = run.gan.sampler(run.averaged) if args.network == "generator" else run.gan.discriminator
    raw = "_raw" if args.raw else ""
    out = args.out or run.folder.path / f"{args.network}{raw}.{args.format}"
    make_folder(out.parent)
    facts = facts_of(run, args.network)
    if args.format == PAGE:
        write_generator_page(run, out)
    else:
        FORMATS[args.format](network, out, description_of(run, args.network), facts)
        card = write_card(run, args.network, out)
    print(f"the {args.network} of step {run.step:,}: {out}")
    if args.format != PAGE:
        print(f"what it is, how good it is, and how to use it: {card}")
    print(f"licence of the images it learned from: {facts['data_licence']}")
