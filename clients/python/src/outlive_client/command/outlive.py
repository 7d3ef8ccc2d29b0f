"""The command `outlive`: its group of commands, and the exit code of every error."""

import os
import sys

import click
from click.shell_completion import get_completion_class

from outlive_client.command.answer_command import answer
from outlive_client.command.exits import EXIT_CODES_HELP, Exit, explain
from outlive_client.command.options import with_api_options
from outlive_client.command.read_commands import ls, messages, queue, show
from outlive_client.command.run_commands import start, stop, watch
from outlive_client.command.terminal import OutputClosed, Screen
from outlive_client.errors import OutliveError


def main() -> int:
    """Run the command line. Returns the exit code."""
    try:
        result = outlive.main(prog_name="outlive", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except click.ClickException as error:
        hint = f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        return _fail(f"{error.format_message().rstrip('.')}{hint}", Exit.USAGE)
    except OutliveError as error:
        code, sentence = explain(error)
        return _fail(sentence, code)
    except ValueError as error:
        return _fail(str(error), Exit.USAGE)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", Exit.DETACHED)
    except OutputClosed:
        # Python writes the rest of the buffer at its end and would print an error about the closed output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OUTPUT_CLOSED
    except OSError as error:
        return _fail(f"the output can't be written: {error.strerror}", Exit.REFUSED)
    except Exception as error:
        return _fail(f"this is a bug in the command: {type(error).__name__}: {error}", Exit.BROKEN)
    return result if isinstance(result, int) else Exit.DONE


def _fail(sentence: str, code: Exit) -> Exit:
    Screen(as_json=False).message(f"outlive: {' '.join(sentence.split())}")
    return code


@click.group(
    commands=[start, watch, answer, stop, ls, queue, show, messages],
    epilog=f"""\b
Examples:
  export OUTLIVE_URL=http://127.0.0.1:4566/_aws/execute-api/outlive
  export OUTLIVE_TOKEN=$(make -s token)
  outlive start my-chat "What time is it?"
  outlive ls my-chat

{EXIT_CODES_HELP}""",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="outlive-client", message="outlive %(version)s")
@with_api_options
def outlive() -> None:
    """Start, watch, answer and stop agent runs. A run goes on when no client is connected."""


@outlive.command(
    epilog="""\b
Examples:
  eval "$(outlive completion bash)"                                  in ~/.bashrc
  eval "$(outlive completion zsh)"                                   in ~/.zshrc, after compinit
  outlive completion fish > ~/.config/fish/completions/outlive.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script for SHELL."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(outlive, {}, "outlive", "_OUTLIVE_COMPLETE").source())
    return Exit.DONE
