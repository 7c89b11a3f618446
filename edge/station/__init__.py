"""The charging station: a pure core (`machine.py`), and one loop that feeds it and carries out what it says."""
