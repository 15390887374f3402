"""The science of Driftium: pure functions and state machines, no HTTP, no database, no clock."""
