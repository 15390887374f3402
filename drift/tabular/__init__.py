"""Drift of tables: one test per column, said in words."""
