"""The product under load and under fire: races, kills, made-up requests; and what its rows must be at any time."""
