"""What is kept, and how it goes: backups, restoring, erasure, mending."""
