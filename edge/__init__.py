"""What runs at the site: the charging station, and the Local Controller. Start at `station/machine.py`."""
