"""What the CSMS knows about charging: sessions, status words, EVSE codes, measurands. No input or output here."""
