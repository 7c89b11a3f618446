"""Everything on one machine: `make demo`. Start at `__main__.py`."""
