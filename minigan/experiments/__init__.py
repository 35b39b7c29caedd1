"""The systems of the reports by name: architecture and training recipe."""
