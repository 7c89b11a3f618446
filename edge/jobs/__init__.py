"""Work that takes long, done beside the station's loop: `edge/station/jobs.py` orders it, and hears how it goes."""
