"""The commands of `minigan`, one subject a file; each has `add_to(commands)`, which adds its parsers."""
