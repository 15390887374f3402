"""The shell of Driftium: everything that reads or writes anything."""
