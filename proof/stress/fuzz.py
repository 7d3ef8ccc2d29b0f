"""Requests made up from the API's own document, in order and out of order, against the deployed local stack.

    python -m proof.stress.fuzz [--examples 60] [--seconds 300] [--seed 1]

Schemathesis sends them (from an environment of its own) and checks every answer against the document: status, headers,
schema, no server error, nothing accepted that the document forbids, nothing without a token. Afterwards the log of the
functions must hold no error, and the rows must be consistent.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from proof.stacks.deployed import ROOT, Stack
from proof.stress.consistency import violations

SCHEMATHESIS: Final = ROOT / ".envs" / "fuzz" / "bin" / "schemathesis"
# What is started is mostly not waited for: two workers are enough to keep something going on.
SETTINGS: Final = {"LEASE_SECONDS": "4", "MAXIMUM_CONCURRENCY": "2"}
LEFT_OUT: Final = {
    "unsupported_method": "a gateway of this kind answers 404 to a method a path does not have, not 405",
    "positive_data_acceptance": "a schema can't say that a cursor is one this API gave, or how many steps a server allows",
}


def fuzz(examples: int, seconds: int, seed: int) -> list[str]:
    """What is wrong, in a sentence each; the report of Schemathesis is on standard output."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder).resolve() / "state", **SETTINGS)
        stack.start()
        try:
            done = subprocess.run(
                [
                    SCHEMATHESIS, "--config-file", Path(__file__).with_suffix(".toml"), "run", ROOT / "docs" / "openapi.json", "--url", stack.url,
                    "--header", f"Authorization: Bearer {stack.token()}",
                    "--checks", "all", "--exclude-checks", ",".join(LEFT_OUT),
                    "--max-examples", str(examples), "--max-time", str(seconds), "--seed", str(seed),
                    "--request-timeout", "30", "--generation-database", "none", "--continue-on-failure", "--no-color",
                ],
                cwd=folder, check=False, timeout=seconds * 2 + 300,
            )  # fmt: skip
            wrong = ["Schemathesis is not content"] if done.returncode else []
            rows = stack.items()
        finally:
            stack.stop()
        return [*wrong, *violations(rows), *errors_in(stack.log)]


def errors_in(log: str) -> list[str]:
    """Every line of the functions that says ERROR, and every traceback."""
    errors = []
    for line in log.splitlines():
        if line.startswith("Traceback"):
            errors.append("a traceback is in the log")
        at = line.find('{"level"')
        if at >= 0 and json.loads(line[at:])["level"] in ("ERROR", "CRITICAL"):
            errors.append(line[at:])
    return errors


def main(arguments: list[str] | None = None) -> int:
    """Fuzz. 0: all in order; 1: something is wrong."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--examples", type=int, default=60, help="at most, for each call of the API and each phase")
    parser.add_argument("--seconds", type=int, default=300, help="at most, for all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    wrong = fuzz(options.examples, options.seconds, options.seed)
    sys.stdout.write("\n".join([*wrong[:40], f"fuzz: {len(wrong)} wrong"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
