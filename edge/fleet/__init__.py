"""Thousands of stations in one process, on time that is passed in, over real MQTT. Start at `fleet.py`."""
