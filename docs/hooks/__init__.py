"""What Sphinx does for the site beyond reading the pages."""
