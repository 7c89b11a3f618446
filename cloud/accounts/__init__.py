"""The accounts of stations and controllers at the MQTT broker.

port.py                what a manager of accounts is
dynamic_security.py    Mosquitto's plugin of that name, over its $CONTROL topic
manual.py              accounts that somebody else makes
registrar.py           registers and removes; database and broker agree, also after a crash
"""
