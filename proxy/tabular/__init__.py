"""Tables that people bring: read, compared in a process of their own, reported."""
