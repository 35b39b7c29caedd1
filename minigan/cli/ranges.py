"""Ranges of numbers on the command line: --value-range=-1:1"""

import argparse


def value_range(text):
    """Read the numbers that stand for black and white for argparse: -1:1"""
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected two numbers such as -1:1, got {text}") from None
    return low, high


def with_ranges_joined(arguments):
    """Return the arguments with --value-range=-1:1 for --value-range -1:1, since argparse takes -1:1 for an option."""
    joined = []
    for argument in map(str, arguments):
        if joined and joined[-1] == "--value-range" and argument.startswith("-") and ":" in argument:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
