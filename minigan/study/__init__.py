"""A study: many runs, experiments times seeds, trained and judged on Dask, and a table of what came of them."""
