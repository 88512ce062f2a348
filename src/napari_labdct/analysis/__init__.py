"""Spots found, matched and measured; line profiles; quality."""
