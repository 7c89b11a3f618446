"""Which wire goes where: `pins.toml` is the one table, `pins.py` reads and checks it."""
