"""What must hold whatever the data: properties, damage, kills, long runs."""
