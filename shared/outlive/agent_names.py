"""The names of the agents of this deployment, for functions that must not import an agent.

The build writes them beside this module. In a source tree without a build they are read from the folder `agents/`.
"""

import json
from pathlib import Path

BUILT = Path(__file__).with_name("agents.json")
SOURCE = Path(__file__).parents[2] / "agents"
DEFAULT = "assistant"
"""The agent of a start that names none, where there are several."""


def agent_names() -> tuple[str, ...]:
    """The agents' names, sorted."""
    return tuple(json.loads(BUILT.read_text())) if BUILT.exists() else names_in(SOURCE)


def default_agent(names: tuple[str, ...]) -> str | None:
    """The agent of a start that names none: the only one, else `assistant`; None if there are others only."""
    return names[0] if len(names) == 1 else DEFAULT if DEFAULT in names else None


def names_in(folder: Path) -> tuple[str, ...]:
    """The modules of `folder` that assign the name `agent`, sorted. Nothing is imported: the build has no packages."""
    import ast

    def assigns(statement: ast.stmt) -> bool:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="agent")])
                | ast.AnnAssign(target=ast.Name(id="agent"), value=ast.expr())
            ):
                return True
        return False

    files = sorted(file for file in folder.glob("*.py") if not file.stem.startswith("_"))
    return tuple(file.stem for file in files if any(map(assigns, ast.parse(file.read_text(), str(file)).body)))
