"""Pages of HTML: every text is mere text wherever it stands, data come through whole, nothing is loaded."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan import pages
from minigan.errors import FileError, OptionError
from minigan.pages import element, page_text, picture, section, table, write_page
from minigan.pages.page import json_text

FOLDER = Path(pages.__file__).parent
# what somebody could write into a name or a note
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</script x></style x></title x><img src=x onerror=alert(1)>",
    "</title></style></textarea><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)",
    "<!-- <script>",
    "]]>&lt;b&gt;&#60;b>",
    "\u202eabc\u2066<b>\u2028\u2029",
    "\ud800 half a pair",
    "x" * 100_000,
]


class Tags(HTMLParser):
    """The elements of a page with their attributes' names, its texts, and its blocks of data."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.data, self.inside, self.values = [], [], {}, None, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, tuple(name for name, _ in attributes)))
        self.values += [value for name, value in attributes]
        self.inside = dict(attributes).get("id") if tag == "script" else None

    def handle_endtag(self, tag):
        self.tags.append(("/" + tag, ()))
        self.inside = None

    def handle_comment(self, text):
        raise AssertionError(f"a comment in the page: {text}")

    def handle_data(self, text):
        if self.inside:
            self.data[self.inside] = self.data.get(self.inside, "") + text
        self.texts.append(text)


def page_of(text):
    """A page that has the text in every place that there is."""
    body = [
        text,
        [element("p", text, class_=text, aria_label=text), None],
        section(text, element("code", text), name="part"),
        table(text, [text, text], [[text, text]]),
        picture(png(), alt=text),
    ]
    return page_text(text, body, lead=text, footer=text, data={"all": {text: [text]}})


def png():
    import io

    file = io.BytesIO()
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_is_ever_html(text):
    page, plain = Tags(page_of(text)), Tags(page_of("plain"))
    assert page.tags == plain.tags
    shown = text.encode("utf-8", "backslashreplace").decode()
    assert page.values.count(shown) == plain.values.count("plain") and len(page.data) == 1
    assert "".join(page.texts).count(shown) >= 6
    assert json.loads(page.data["data-all"]) == {text: [text]}
    page_of(text).encode("utf-8")
    assert not set("<>&") & set(json_text([text])), "a browser ends a script where Python's parser does not"


def test_numbers_that_json_lacks_come_through_as_texts():
    values = {"x": [1.5, float("nan"), {"y": (float("inf"), -float("inf"))}], "z": None}
    found = json.loads(Tags(page_text("t", "", data={"d": values})).data["data-d"])
    assert found == {"x": [1.5, "NaN", {"y": ["Infinity", "-Infinity"]}], "z": None}


def policy_of(text):
    content = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#x27;", "'")
    return dict(rule.split(" ", 1) for rule in content.split("; "))


def test_the_policy_names_every_script_and_style_and_allows_nothing_else(tmp_path):
    (tmp_path / "a.js").write_text("'use strict'; if (1 < 2 && 3 > 2) { document.title += '!'; }\n")
    (tmp_path / "a.css").write_text("section > p { color: red; }\n")
    text = page_text("t", "", scripts=[tmp_path / "a.js"], styles=[tmp_path / "a.css"], data={"d": 1})
    rules = policy_of(text)
    assert rules["default-src"] == rules["connect-src"] == rules["base-uri"] == "'none'" and rules["img-src"] == "data:"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        parts = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        sums = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts]
        assert len(parts) == 2 and rules[rule] == " ".join(f"'sha256-{total}'" for total in sums)
    assert "'wasm-unsafe-eval'" in policy_of(page_text("t", "", wasm=True))["script-src"]
    assert policy_of(page_text("t", "", refresh=True))["connect-src"] == "'self'"


@pytest.mark.parametrize("text", ["x = '</script>'", "x = '</SCRIPT'", "// <!-- <script>"])
def test_a_script_that_would_end_early_is_refused(text, tmp_path):
    (tmp_path / "a.js").write_text(text)
    with pytest.raises(OptionError, match=r"a\.js: a script in a page cannot hold"):
        page_text("t", "", scripts=[tmp_path / "a.js"])


@pytest.mark.parametrize("attributes", [{"onclick": "x"}, {"style": "color: red"}, {"a b": "x"}, {"x>": "y"}])
def test_attributes_that_the_policy_forbids_are_refused(attributes):
    with pytest.raises(OptionError, match="element: a page takes no attribute"):
        element("p", "text", **attributes)


def test_other_wrong_arguments_are_refused():
    for call, message in (
        (lambda: element("p><script", "x"), "expected the name of an element"),
        (lambda: picture(b"GIF89a", alt="x"), "expected the bytes of a PNG"),
        (lambda: page_text("t", "", data={"A b": 1}), "expected the name of data"),
        (lambda: page_text("t", "", data={"a": {1, 2}}), "data that JSON cannot hold"),
        (lambda: page_text(None, ""), "expected title as a text"),
    ):
        with pytest.raises(OptionError, match=message):
            call()


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.html"
    write_page(path, "first", "text")
    with pytest.raises(OptionError):
        write_page(path, "second", "text", data={"a": object()})
    with pytest.raises(FileError, match="is a folder"):
        write_page(tmp_path, "third", "")
    assert "<title>first</title>" in path.read_text("utf-8") and [*tmp_path.iterdir()] == [path]
    assert path.read_text("utf-8").startswith('<!doctype html>\n<html lang="en">')


def test_tables_align_numbers_and_name_their_rows():
    text = table("sizes", ["layer", "numbers", "share"], [["dense", 785, "0.5 ± 0.1"], ["tanh", "1,024", "-"]])
    assert text.count('<th scope="col" class="number">') == 2 and text.count('<td class="number">') == 4
    assert text.count('<th scope="row">') == 2 and "<caption>sizes</caption>" in text
    assert table("none", ["a", "b"], []).count("<th") == 3  # thead and two columns
    assert 'class="number"' not in table("words", ["a", "b"], [["x", "12 layers"], ["y", "none"]])


def test_styles_and_scripts_load_nothing():
    for file in [*FOLDER.glob("*.css"), *FOLDER.glob("*.js")]:
        text = file.read_text("utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(|\beval\(|innerHTML", text), file.name
