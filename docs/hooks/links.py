"""Links of the pages that lead out of docs/, to code, go to the pages that code_pages makes of it.

In the repository such a link leads to the file itself. On the site a file `minigan/layers/dense.py` is the page
`code/minigan/layers/dense.py.html`.
"""

import os
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def code_address(path, page):
    """The address of the site's page for a file or folder of the repository, as seen from the page `page`."""
    target = f"code/{path.relative_to(ROOT).as_posix()}.html"
    return os.path.relpath(target, Path(page).parent.as_posix())


def rewrite(text, page):
    """The Markdown of a page (its name without .md) with all links to code replaced by links to the code's pages."""
    folder = (DOCS / page).parent

    def replace(match):
        label, target, anchor = match.groups()
        path = (folder / target).resolve()
        if "://" in target or not path.is_relative_to(ROOT) or not path.exists():
            return match.group()  # another site, or a mistake that Sphinx will report
        if path == DOCS / "README.md":
            return f"[{label}]({os.path.relpath(DOCS / 'index.md', folder)}{anchor or ''})"
        if path.is_relative_to(DOCS) and path.is_file():
            return match.group()
        return f'<a class="code-link" href="{code_address(path, page)}">{label}</a>'

    # code blocks stay as they are
    parts = re.split(r"(^```.*?^```$)", text, flags=re.S | re.M)
    return "".join(part if part.startswith("```") else LINK.sub(replace, part) for part in parts)


def on_source_read(app, page, source):
    source[0] = rewrite(source[0], page)


def on_include_read(app, relative_path, parent, content):
    content[0] = rewrite(content[0], relative_path.with_suffix("").as_posix())


def setup(app):
    app.connect("source-read", on_source_read)
    app.connect("include-read", on_include_read)
    return {"parallel_read_safe": True}
