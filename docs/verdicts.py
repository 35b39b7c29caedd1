"""Read the verdicts of docs/experiments.md from its headings, for the list at its start.

    ### D1, D1-units128: fastest and sharpest? Confirmed. NaN? Refuted

A heading names one or more experiments, and says for each claim the question and the answer. docs/tables.py writes the
list between `<!-- verdicts: this page -->` and `<!-- end -->`.
"""

import re

HEADING = re.compile(r"^### ([A-E]\d[\w-]*(?:, [A-E]\d[\w-]*)*): (.+)$", re.M)
ANSWERS = ("Confirmed", "Refuted", "Partly", "No difference found", "Open")


def headings(text):
    """Return the headings of a page that name experiments: (names, words, whole heading)."""
    return [(found[1].split(", "), found[2], found[0].removeprefix("### ")) for found in HEADING.finditer(text)]


def answers(words):
    """Return the answers in the words of a heading: "random images? Refuted. Lower losses? Confirmed"."""
    found = []
    for part in words.split("? ")[1:]:
        answer = [answer for answer in ANSWERS if part.startswith(answer)]
        if not answer:
            raise ValueError(f"{words!r}: expected one of {', '.join(ANSWERS)} after each question, got {part!r}")
        found += answer
    return found


def anchor(heading):
    """Return the anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def verdicts(text):
    """Return how many claims have which verdict, and a list of all headings with links to them."""
    found = headings(text)
    given = [answer for _, words, _ in found for answer in answers(words)]
    counts = [f"{given.count(answer)} {answer.lower()}" for answer in ANSWERS if answer in given]
    rows = [f"| [{', '.join(names)}](#{anchor(heading)}) | {words} |" for names, words, heading in found]
    return "\n".join(
        [f"{len(given)} claims: {', '.join(counts)}.", "", "| experiment | claim, and verdict |", "|---|---|", *rows]
    )
