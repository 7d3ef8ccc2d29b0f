"""The same agent on other durable runtimes, each in an environment of its own."""
