"""Corrupt, train, clean."""
