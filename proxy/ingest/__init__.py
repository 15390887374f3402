"""Collected logs: answers pulled from where they already lie, so that drift is watched without a proxy in the path."""
