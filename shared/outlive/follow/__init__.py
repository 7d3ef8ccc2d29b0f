"""Following a run: what it streams, its events, where a reader stands."""
