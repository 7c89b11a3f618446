"""Time series: every sampled value, kept apart from the books. `port.py` says what a store of them is."""
