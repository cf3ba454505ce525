"""The tables that are not made of events: outbox, commands, market cache, the daemon and its health."""
