"""What the edge and the cloud share: OCPP-J frames, their types, the table of messages, topics and the MQTT link.

Imports nothing of ours. Start at `messages.py`, the table.
"""
