"""The options of every command, and the client and screen that a command makes from them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from outlive_client.client import Outlive
from outlive_client.command.terminal import Screen

F = TypeVar("F", bound=Callable[..., Any])


def with_api_options(command: F) -> F:
    """`command` with --url, --token and --json. They may come before or after the command's name."""
    for option in (
        click.option(
            "--json", "as_json", is_flag=True, expose_value=False, callback=_store, help="Print JSON and nothing else."
        ),
        click.option(
            "--token",
            envvar="OUTLIVE_TOKEN",
            show_envvar=True,
            expose_value=False,
            callback=_store,
            help="A bearer token.",
        ),
        click.option(
            "--url",
            envvar="OUTLIVE_URL",
            show_envvar=True,
            expose_value=False,
            callback=_store,
            help="The API's base address.",
        ),
    ):
        command = option(command)
    return command


def _store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Store the value for the command. The command line overrides the environment, and its last value counts."""
    values = ctx.ensure_object(dict)
    from_command_line = param.name and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    if param.name and (from_command_line or param.name not in values):
        values[param.name] = value


def screen_of(ctx: click.Context) -> Screen:
    """The screen for this command."""
    return Screen(as_json=bool(ctx.obj["as_json"]))


def client_of(ctx: click.Context) -> Outlive:
    """The client for this command, closed at its end. Raises UsageError if --url or --token is missing."""
    for name, description in (("url", "the API's base address"), ("token", "a bearer token")):
        if not ctx.obj[name]:
            raise click.UsageError(f"{description} is missing; set --{name} or OUTLIVE_{name.upper()}", ctx)
    return ctx.with_resource(open_client(ctx.obj["url"], ctx.obj["token"]))


def open_client(url: str, token: str) -> Outlive:
    """A client for the API at `url`."""
    return Outlive(url, token)
