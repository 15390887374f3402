"""Several workers on one PostgreSQL: who embeds what, who scores which monitor, and who answers a command."""
