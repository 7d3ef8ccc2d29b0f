"""What things cost: request units, artifact sizes, cold starts. Tests bound them, the benchmarks write them down."""
