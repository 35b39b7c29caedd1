"""Pages of HTML that are one file each: they open from disk, without a network, and take every text as mere text.

from minigan.pages import element, section, table, write_page
body = [section("Layers", table("the layers", ["layer", "numbers"], [["dense", 785]]))]
write_page("report.html", "A run", body, data={"losses": [0.7, float("nan")]}, scripts=[Path("plots.js")])
"""

from minigan.pages.markup import Markup, element, picture, section, table
from minigan.pages.page import page_text, write_page

__all__ = ["Markup", "element", "page_text", "picture", "section", "table", "write_page"]
