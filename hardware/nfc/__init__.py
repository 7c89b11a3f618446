"""Card readers. Start at pn532.py."""
