"""AI agent runs that outlive the connection that started them."""
