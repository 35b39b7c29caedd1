"""The commands of `minigan`, one subject per file. Each file has `add_to(commands)`, which adds its parsers."""
