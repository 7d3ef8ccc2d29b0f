"""The agent that answers the chats. This folder is yours: change the instructions, add tools.

It is an ordinary Pydantic AI agent, with three things to know:

- The model is named by the environment variable AGENT_MODEL (`bedrock:...`, `openai:...`, `anthropic:...`,
  `ollama:...`, or `offline`, which needs no network). To build one yourself, pass it here as `model=`; it then wins.
- Say what the agent is in `instructions`; they are sent with every request. `system_prompt` is not: a step goes on
  from stored messages, and it only stands at the very start of a conversation.
- A tool is a function with types and a docstring. `def` runs in a thread, `async def` in the event loop, and there it
  must never block. Neither may stay in one long call that keeps the interpreter's lock: `tools.py` says why.
  One that changes something outside takes the call's idempotency key along, because a step is executed again when its
  worker died:

      async def book_table(ctx: RunContext[StepDeps], name: str, seats: int) -> str:
          "Book a table for tonight."
          key = ctx.deps.idempotency_key(ctx.tool_call_id)
          return await restaurant.book(name, seats, idempotency_key=key)

  Then add `Tool(book_table, timeout=10)` below: after that many seconds the model reads that the call took too long.
  A call with wrong arguments is refused, and the model may try again in the next step, until the run's step limit or its
  loop detection ends that. See `tools.py` for examples.
"""

from pydantic_ai import Agent, Tool

from agents.tools import LONGEST_WAIT, announce, ask_user, calculate, clock, draw_chart, wait
from outlive.agents import StepDeps

agent = Agent(
    deps_type=StepDeps,
    instructions=(
        "You are a helpful assistant. Use the tools for the time, for arithmetic and for waiting instead of guessing."
    ),
    tools=[
        Tool(clock, timeout=5),
        Tool(calculate, timeout=5),
        Tool(wait, timeout=LONGEST_WAIT + 5),
        Tool(draw_chart, timeout=5),
        Tool(announce, timeout=5, requires_approval=True),
        Tool(ask_user, timeout=5),
    ],
)
