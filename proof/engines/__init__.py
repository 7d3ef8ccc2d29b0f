"""The same on real engines: cases, races, kills, made-up requests."""
