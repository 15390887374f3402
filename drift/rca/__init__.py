"""Root cause analysis: from evidence to a report that a person on call can act on."""
