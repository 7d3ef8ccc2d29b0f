"""Your agents and their tools. Everything in this folder is yours; `docs/agents.md` says what a module may contain."""
