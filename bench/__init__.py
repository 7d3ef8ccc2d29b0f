"""What a run costs, how fast it is and where it ends: `make bench`."""
