"""Settings of Sphinx, which builds the site from these pages: `sphinx-build -W -b html docs out/site`, offline.

    pip install -e ".[docs]"                                          from the root of the repository

The pages are plain Markdown, so you can also read them in the repository. What only the site needs is in three hooks:
links to code, pages of the code, and docstrings as they were written.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

from hooks import code_pages  # noqa: E402

import minigan  # noqa: E402

project = "minigan"
release = version = minigan.__version__
copyright = "the authors of minigan, MIT licence"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "hooks.links",
    "hooks.code_pages",
    "hooks.docstrings",
]
root_doc = "index"
exclude_patterns = ["README.md"]  # index.md includes it

myst_heading_anchors = 4  # the anchors of headings that links of these pages use
highlight_language = "text"  # a block without a language is a formula or a command
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
linkcode_resolve = code_pages.address_of_object

html_theme = "furo"
html_title = "minigan"
html_static_path = ["_static"]
html_css_files = ["minigan.css"]
html_copy_source = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
