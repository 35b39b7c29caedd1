"""Which arrays of another library belong to which layer: by what they are and by their shapes, then by their names.

The names come in groups: `main.3.weight` and `main.3.bias` are the group `main.3`. A group fits a layer if it has the
arrays that this layer needs, in the right shapes. Among groups that fit the same layer, the numbers in their names
decide: main.3 comes before main.10. If their names differ in more than numbers, nobody can know, and the user says it.
"""

import re

from minigan.errors import CheckpointError, OptionError
from minigan.options import shown

SHOWN = 8


class Group:
    """The arrays of one module of another library.

    name       of the module; arrays: name within the module -> array, or anything with a shape
    key        what decides over its order, if this is not its name
    """

    def __init__(self, name, arrays, key=None):
        self.name, self.arrays, self.key = name, arrays, name if key is None else key

    @property
    def shapes(self):
        return {name: tuple(array.shape) for name, array in self.arrays.items()}

    def full_name(self, name):
        return f"{self.name}.{name}" if self.name else name


def natural(name):
    """Return the key that sorts names as people do: main.3 before main.10"""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def match(places, needs, groups, names, where):
    """Return the group of each place.

    needs      of each place: name -> shape
    names      the names of the groups in the order of the layers, from the user; None: minigan finds it
    Errors     CheckpointError that names both sides, if something is missing, left over or has another shape;
               OptionError where several orders would fit
    """
    if names is not None:
        return match_named(places, needs, groups, names, where)
    free = sorted(groups, key=lambda group: natural(group.key))
    found = []
    for place, need in zip(places, needs, strict=True):
        fitting = [group for group in free if group.shapes == need]
        if not fitting:
            raise CheckpointError(f"{where}: {no_group(place, need, free)}")
        found.append(fitting[0])
        free.remove(fitting[0])
    if free:
        raise CheckpointError(
            f"{where}: {listed(full_names(free))} left over: the network has no layer for them. Make a network with "
            "the same layers."
        )
    require_clear(places, needs, found, where)
    return found


def match_named(places, needs, groups, names, where):
    """Return the groups that the user names, in the order of the layers."""
    by_name = {group.name: group for group in groups}
    if len(names) != len(places) or len(set(names)) != len(names):
        raise OptionError(
            f"names: expected {len(places)} different names, one for each layer with weights "
            f"({listed([place.layer.name for place in places])}), got {shown(names)}."
        )
    found = []
    for place, need, name in zip(places, needs, names, strict=True):
        if name not in by_name:
            raise OptionError(f"names: {where} holds no {shown(name)}, only {listed([*by_name])}.")
        group = by_name[name]
        if group.shapes != need:
            raise CheckpointError(f"{where}: {difference(place, need, group)}")
        found.append(group)
    left = [group for group in groups if group.name not in names]
    if left:
        raise CheckpointError(f"{where}: {listed(full_names(left))} left over: `names` does not name them.")
    return found


def require_clear(places, needs, found, where):
    """Raise OptionError if groups that could be exchanged have names that do not say their order."""
    alike = {}
    for place, need, group in zip(places, needs, found, strict=True):
        alike.setdefault(str(sorted(need.items())), []).append((place, group))
    for members in alike.values():
        keys = [group.key for _, group in members]
        if len({re.sub(r"\d+", "0", key) for key in keys}) > 1 and not all(map(is_path_of_numbers, keys)):
            names, layers = [group.name for _, group in members], [place.layer.name for place, _ in members]
            raise OptionError(
                f"{where}: {listed(names)} have the same shapes, and their names do not say which belongs to "
                f"{listed(layers)}. Say it: names=[...], the names in the order of "
                "all layers with weights."
            )


def is_path_of_numbers(name):
    return all(part.isdigit() for part in name.split("."))


def no_group(place, need, free):
    """Return a sentence about a layer that no group fits: about the nearest one, if one has the same arrays."""
    near = [group for group in free if likeness(need, group)]
    if near:
        return difference(place, need, max(near, key=lambda group: likeness(need, group)))
    return (
        f"nothing there for {place.layer.name}, which needs {shapes_text(need)}. "
        f"{f'What is there: {listed(full_names(free))}.' if free else 'All arrays have found their layer before.'}"
    )


def likeness(need, group):
    """Return how much a group is like what a layer needs; 0 for not at all, as if an array has other axes."""
    common = [name for name in need if len(group.shapes.get(name, "")) == len(need[name])]
    if not common or any(len(group.shapes[name]) != len(need[name]) for name in need if name in group.shapes):
        return 0
    equal = sum(group.shapes[name] == need[name] for name in common)
    return 1 + equal + (set(need) == set(group.shapes)) - abs(len(group.shapes) - len(need))


def difference(place, need, group):
    """Return a sentence about the first difference between what a layer needs and a group."""
    layer = place.layer.name
    for name, shape in need.items():
        if name not in group.shapes:
            bias = (
                " Or make the layer with use_bias=False." if name == "bias" and hasattr(place.layer, "use_bias") else ""
            )
            return f"{layer} needs {group.full_name(name)} of shape {shape}, which is missing.{bias}"
        if group.shapes[name] != shape:
            return (
                f"{layer} needs {shape}, but {group.full_name(name)} has the shape {group.shapes[name]}. (In the order "
                "of the axes there.)"
            )
    more = [group.full_name(name) for name in group.shapes if name not in need]
    return f"{layer} has no place for {listed(more)}. Is the layer made with other options, such as use_bias?"


def full_names(groups):
    return [group.full_name(name) for group in groups for name in group.arrays]


def shapes_text(need):
    return ", ".join(f"{name} {shape}" for name, shape in need.items())


def listed(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(shown(name) for name in names[:SHOWN]) + more
