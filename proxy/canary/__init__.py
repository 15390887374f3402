"""Canaries: fixed prompts asked on a schedule, whose answers are compared in pairs."""
