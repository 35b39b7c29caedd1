"""The sum that made one number: its products, and the number itself as backward or forward left it in the array."""

import html
import math
from dataclasses import dataclass, field

SHOWN = 12  # products in a text; `products` holds all of them


@dataclass
class Product:
    """One product of a sum: its factors with their names, such as (("x[0, 3]", 0.5), ("W[3, 1]", -0.2))."""

    factors: tuple[tuple[str, float], ...]

    @property
    def value(self) -> float:
        """Return the product of the factors."""
        return math.prod(value for _, value in self.factors)

    def __str__(self):
        return " * ".join(f"{name} ({value:.6g})" for name, value in self.factors)


@dataclass
class Sum:
    """A number in between that the explained one needs, such as the mean of a channel: how it is computed."""

    name: str
    value: float
    rule: str
    products: list[Product] = field(default_factory=list)

    def __str__(self):
        return f"{self.name} = {self.value:+.8g}    {self.rule}"


@dataclass
class Explanation:
    """How one number of a layer's arrays came about, as `Microscope.explain` returns it.

    what, index    the array ("y", "dx", "dW" ...) and the place of the number in it; value: what the array holds there
    term, formula  the number of the term in the layer's docstring and on its page, and its line: "(1)"
    products       what is added up; `total` is their sum. Empty for a layer that the microscope cannot take apart
    parts          numbers in between: the mean of a channel, the gates of an LSTM
    measured       the same number by central differences of the layer's own forward pass in float64; None for "y"
    again          only for "y": the same number by the layer's own forward pass in float64
    notes          remarks in words
    """

    layer: str
    what: str
    index: tuple[int, ...]
    value: float
    term: str = ""
    formula: str = ""
    products: list[Product] = field(default_factory=list)
    parts: list[Sum] = field(default_factory=list)
    measured: float | None = None
    again: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Return the sum of the products, in float64."""
        return total_of(self.products)

    def rows(self):
        """Return the largest products first, and how many are left out."""
        order = sorted(self.products, key=lambda product: -abs(product.value) if product.value == product.value else 0)
        return order[:SHOWN], max(0, len(order) - SHOWN)

    def __str__(self):
        name = f"{self.what}[{', '.join(map(str, self.index))}]"
        term = f"{self.term} {self.formula}".strip()
        lines = [f"{self.layer}: {name} = {self.value:+.9g}    {term}".rstrip()]
        rows, left = self.rows()
        lines += [f"  {product.value:+.9g} = {product}" for product in rows]
        if left:
            rest = total_of(self.products) - total_of(rows)
            lines.append(f"  {rest:+.9g} = {left:,} smaller products")
        if self.products:
            lines.append(f"  {self.total:+.9g} = sum of {len(self.products):,} products")
        if self.measured is not None:
            lines.append(f"  {self.measured:+.9g} by central differences")
        if self.again is not None:
            lines.append(f"  {self.again:+.9g} by the layer's forward pass in float64")
        return "\n".join([*lines, *(f"  {part}" for part in self.parts), *(f"  {note}" for note in self.notes)])

    def _repr_html_(self):
        """Return the text for notebooks."""
        return f"<pre>{html.escape(str(self))}</pre>"


def total_of(products):
    """Return the sum of products; NaN and infinity are numbers here."""
    values = [product.value for product in products]
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
