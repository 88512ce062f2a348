"""Tests of spots and line profiles."""
