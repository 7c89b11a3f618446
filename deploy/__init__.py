"""How Colonnina is put on machines. `local/` is all of it on one, for the demo."""
