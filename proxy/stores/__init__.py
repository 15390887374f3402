"""Where things are kept: the exchange log, the history, the vectors."""
