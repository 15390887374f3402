"""Root cause analyses: run here, stored, and shown as JSON, as Markdown and in a terminal."""
