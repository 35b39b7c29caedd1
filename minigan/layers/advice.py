"""What the author of a layer has to write, as the text of errors."""


def no_tangent(layer):
    """Return what is missing where a layer has no tangent, and what to write."""
    kind = type(layer).__name__
    return (
        f"{layer.name or kind}: gradients of gradients need {kind}.tangent(xdot), which is missing, or belongs to "
        "another forward. Write in the class\n"
        "    def tangent(self, xdot):\n"
        "        dy, ... = self.retained(xdot)              # then what forward saved\n"
        "        self.add_grad(...)                         # for each parameter: the gradient of sum(dy ydot)\n"
        "        self.bend = ...                            # its gradient with respect to x; not if linear in x\n"
        "        return ydot                                # how y changes if x moves along xdot\n"
        "check_layer checks it. Examples: Tanh, Dense; docs/second_order.md"
    )
