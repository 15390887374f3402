"""Drift of meaning: what the vectors of the answers say."""
