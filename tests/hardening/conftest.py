"""Tests that take minutes run only when asked for: pytest -m soak."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config, items):
    if "soak" in (config.option.markexpr or ""):
        return
    skip = pytest.mark.skip(reason="takes minutes: ask for it with -m soak")
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(skip)
