"""The CSMS: what runs in the cloud. Start at `main.py` (what is built) and `csms.py` (how a frame is handled)."""
