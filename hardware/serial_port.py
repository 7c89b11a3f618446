"""What can go wrong on a serial port: pyserial lets the terminal layer's own error through when an adapter vanishes."""

import termios

SERIAL_ERRORS = (OSError, termios.error)
