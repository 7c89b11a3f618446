"""How people are told: the outbox that is emptied here, and the channels that it goes out by."""
