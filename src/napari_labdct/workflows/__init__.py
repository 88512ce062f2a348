"""Jobs that join the rooms."""
