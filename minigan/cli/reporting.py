"""The command report: a page of HTML about a run, a comparison of several, or a study; or a page that follows a run."""

import argparse
import sys
from pathlib import Path

from minigan.cli.arguments import add_option, add_source, integer
from minigan.cli.opening import open_trained
from minigan.errors import OptionError
from minigan.files import make_folder

COMPARISON = "comparison.html"
PORT = 8123


def add_to(commands):
    parser = commands.add_parser(
        "report",
        help="write a page about a run, or one that compares several runs or shows a study",
        description="Write one page of HTML that needs no network: curves, samples, health, metrics, recipe, and the "
        "command that repeats the run. Several runs are compared. The folder of a study gives the page of the study: "
        "docs/report.md",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the folder of a run, or of a study")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"the file to write; default: report.html in the folder, of several runs {COMPARISON} here",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="write nothing: show the page at http://127.0.0.1 while the run goes on, always up to date, until Ctrl-C",
    )
    parser.add_argument("--port", type=port, metavar="N", help=f"of --watch; 0 takes any that is free; default: {PORT}")
    parser.add_argument(
        "--generator",
        action="store_true",
        help="of one run: let its generator run in the page, or in generator.html beside it if it is too large",
    )
    add_source(parser)
    add_option(parser, "--quiet", help="do not say where the page is")
    parser.set_defaults(command=report_command, parser=parser)


def port(text):
    """Read a port for argparse: an integer from 0 to 65535."""
    number = integer(0)(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text}")
    return number


def report_command(args):
    """Write the page, or serve it until Ctrl-C."""
    from minigan.report import write_comparison, write_report
    from minigan.study.page import is_study, write_study_page

    runs = list(dict.fromkeys(args.runs))
    studies = [path for path in runs if is_study(path)]
    if studies and len(runs) > 1:
        raise OptionError(
            f"{studies[0]} is the folder of a study. Give it alone, or give the folders of runs, such as "
            f"{studies[0]}/*-seed*."
        )
    if args.generator and (args.watch or studies or len(runs) > 1):
        args.parser.error("--generator belongs to the page of one run, and not to --watch")
    if not args.generator and (args.source is not None or args.trust_source):
        args.parser.error("--source and --trust-source belong to --generator: only the generator needs your file")
    if args.watch:
        return watch(args, runs, studies)
    if args.port is not None:
        args.parser.error("--port belongs to --watch")
    if args.out is not None:
        make_folder(args.out.parent)
    if studies:
        path = write_study_page(studies[0], args.out)
    elif len(runs) > 1:
        path = write_comparison(runs, args.out or COMPARISON)
    else:
        path = write_report(runs[0], args.out, open_trained(runs[0], args) if args.generator else None)
    if not args.quiet:
        print(f"the page is in {path.resolve()}")
    return 0


def watch(args, runs, studies):
    """Serve the page of one run until Ctrl-C."""
    from minigan.report.serving import serve

    if studies or len(runs) > 1:
        args.parser.error("--watch shows one run")
    if args.out is not None:
        args.parser.error("--watch writes no file: leave out --out, or write the page by a second command")

    def say(address):
        sys.stderr.write(f"{address} shows {runs[0]} and follows it. Ctrl-C ends this.\n")

    serve(runs[0], PORT if args.port is None else args.port, say)
    sys.stderr.write("stopped following the run\n")
    return 0
