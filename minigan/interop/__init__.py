"""Networks in the file formats of other programs. docs/interop.md"""
