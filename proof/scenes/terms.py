"""Times, fault kinds and settings that scenes share."""

from dataclasses import replace

from proof.scenes.actors import SETTINGS
from proof.sqs.memory_queue import SECOND

NOON = 1_763_726_400_000
LEASE_JUMP, STALE_JUMP, PENDING_JUMP = 31 * SECOND, 601 * SECOND, 3601 * SECOND
MINUTE = 61 * SECOND

UNTIMED = ("crash", "lost", "late", "refused", "message")
"""For scenes in which time passes anyway."""
BOTH = (LEASE_JUMP, STALE_JUMP)
TWO_IN_ONE = replace(SETTINGS, steps_per_message=2)
ANSWER_SECONDS = 1800
PATIENT = replace(SETTINGS, answer_seconds=ANSWER_SECONDS)
"""For scenes in which a run waits: the sweeps at the end of a path reach its deadline."""
NO_RESENDS = replace(SETTINGS, sweep_resend_limit=0)
"""So that a run is given up at the first look."""
FEW_WORKERS = replace(SETTINGS, maximum_concurrency=2)
"""So that one message that waits is a line."""
