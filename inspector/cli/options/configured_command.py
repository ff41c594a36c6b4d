"""A click command that takes its options from a TOML file and from environment variables too.

The command line wins over variables, variables over the file, and the file over the defaults. A file is read only if
the user names it: alerts in it can run programs, so a file that happens to be in the current folder has no effect.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from inspector import toml_file
from inspector.child_lifetime import CONFIG_VARIABLE, SETTINGS_PREFIX
from inspector.cli.options.option_types import FileMode
from inspector.errors import SettingsMistake, UserMistake, without_userinfo_within
from inspector.escaping import visible

TABLES = ("proxy", "browse")
"""The commands that have a table in the file."""
_OTHERS = ("alert", "target", "time_zone")
"""What the file may have for `--alerts`."""
_SECRETS = ("token",)
_FILE_OR_NAME = ("interventions",)
"""Settings that are the name of a file or of something that comes with the program."""
_PRINT = f"{__name__}.print"
_FILE = f"{__name__}.file"


class ConfiguredCommand(click.Command):
    """A command with --config and --print-config."""

    def __init__(self, name: str | None, *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **options)
        self._prefix = SETTINGS_PREFIX + f"{name}_".upper()
        for setting, parameter in self.settings().items():
            # click would name the variable after the parameter of the function: PATH for --db.
            variable = self._prefix + setting.upper().replace("-", "_")
            parameter.envvar = [variable, *_variables(parameter)]
        self.params += [
            click.Option(
                ["--config"],
                type=click.Path(path_type=Path, dir_okay=False),
                envvar=CONFIG_VARIABLE,
                is_eager=True,
                expose_value=False,
                callback=self._read,
                help=f"Take options from the table [{name}] of this TOML file; see docs/service.md.",
            ),
            click.Option(
                ["--print-config"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=self._note_print,
                help="Print every option with its value and where it comes from, as a TOML file, and exit.",
            ),
        ]

    def settings(self) -> dict[str, click.Parameter]:
        """Return the options and arguments that the file can set, by their names there: `db`, `max-connections`."""
        return {_name(one): one for one in self.params if one.expose_value}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read all options. Raises UserMistake that names the variable if a variable has a wrong value."""
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            one = error.param
            if one is None or ctx.get_parameter_source(str(one.name)) is not ParameterSource.ENVIRONMENT:
                raise
            why = without_userinfo_within(error.message.rstrip("."))
            raise UserMistake(f"{_variable_in_use(one)}: {why}") from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, or print its options."""
        self._warn_about_variables()
        if not ctx.meta.get(_PRINT):
            return super().invoke(ctx)
        click.echo(f"[{self.name}]")
        for name, parameter in self.settings().items():
            click.echo(_line(name, parameter, ctx))
        return 0

    def _warn_about_variables(self) -> None:
        """Warn about variables that set nothing. Kubernetes makes some of its own, so they are not an error."""
        known = [one for parameter in self.settings().values() for one in _variables(parameter)]
        for variable in os.environ:
            if variable.startswith(self._prefix) and variable not in known:
                hint = toml_file.suggest(variable, known)
                why = f"WARNING: {visible(variable)} is not a variable of this command"
                click.echo(f"{why}; {hint}" if hint else why, err=True)

    def _note_print(self, ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        """Note that the options are to be printed; a required option may then be missing."""
        if wanted and not ctx.resilient_parsing:
            ctx.meta[_PRINT] = True
            missing = {str(one.name): "" for one in self.settings().values() if one.required}
            ctx.default_map = {**missing, **(ctx.default_map or {})}

    def _read(self, ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
        """Let click use the values of the file as defaults. Raises SettingsMistake."""
        if path is None or ctx.resilient_parsing:
            return
        document = toml_file.read(path)
        toml_file.refuse_unknown(path, "", document, (*TABLES, *_OTHERS))
        place = str(self.name)
        table = toml_file.table(path, place, document.get(place, {}))
        known = self.settings()
        toml_file.refuse_unknown(path, place, table, known)
        values = {
            str(known[name].name): _value(ctx, path, f"{place}.{name}", known[name], table[name]) for name in table
        }
        ctx.meta[_FILE] = path
        ctx.default_map = {**(ctx.default_map or {}), **values}


def _name(parameter: click.Parameter) -> str:
    """Return the name of an option without its dashes, or of an argument."""
    long = [one for one in parameter.opts if one.startswith("--")]
    return long[0].removeprefix("--") if long else str(parameter.name)


def _variables(parameter: click.Parameter) -> list[str]:
    """Return the variables of a parameter; the first that is set wins."""
    return [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar or ())


def _variable_in_use(parameter: click.Parameter) -> str:
    return next((one for one in _variables(parameter) if os.environ.get(one)), "")


def _value(ctx: click.Context, path: Path, place: str, parameter: click.Parameter, value: Any) -> Any:
    """Return a value of the file as click takes it. Raises SettingsMistake for a wrong type or value."""
    expected, right = _expected(parameter, value)
    if not right:
        # The type only: the value may be a secret.
        raise SettingsMistake(path, place, f"expected {expected}, got {_kind(value)}")
    if isinstance(parameter, click.Option) and parameter.multiple and isinstance(value, str):
        value = [value]
    elif value is True and not getattr(parameter, "is_flag", False):
        value = getattr(parameter, "flag_value", True)
    elif isinstance(parameter.type, click.Path) or (
        _name(parameter) in _FILE_OR_NAME and (path.parent / value).exists()
    ):
        value = str(path.parent / value)
    try:
        parameter.type_cast_value(ctx, value)
    except click.BadParameter as error:
        raise SettingsMistake(path, place, without_userinfo_within(error.message.rstrip("."))) from error
    return value


def _expected(parameter: click.Parameter, value: Any) -> tuple[str, bool]:
    """Return which type of value belongs in the file, and whether this one has it."""
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return "true or false", isinstance(value, bool)
    if isinstance(parameter.type, click.types.IntParamType):
        return "a whole number", isinstance(value, int) and not isinstance(value, bool)
    if isinstance(parameter.type, click.types.FloatParamType):
        return "a number", isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(parameter, click.Option) and parameter.multiple:
        strings = isinstance(value, list) and len(value) > 0 and all(isinstance(one, str) for one in value)
        return "a list of strings", strings or isinstance(value, str)
    if getattr(parameter, "flag_value", None) == "":
        return "a string, or true", isinstance(value, str) or value is True
    return "a string", isinstance(value, str)


def _kind(value: Any) -> str:
    """Return the type of a TOML value in words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list with other values" if value else "an empty list"
    words = {str: "a string", int: "a whole number", float: "a number", dict: "a table"}
    return words.get(type(value), "a date or time")


def _line(name: str, parameter: click.Parameter, ctx: click.Context) -> str:
    """Return one option as a line of TOML; options without a value and secrets are comments."""
    value = ctx.params[str(parameter.name)]
    if parameter.required and value == "":
        return f"# {name} is not set, and is required"
    if value is None or value == ():
        return f"# {name} is not set"
    source = {
        ParameterSource.COMMANDLINE: "command line",
        ParameterSource.ENVIRONMENT: _variable_in_use(parameter),
        ParameterSource.DEFAULT_MAP: visible(str(ctx.meta.get(_FILE))),
    }.get(ctx.get_parameter_source(str(parameter.name)) or ParameterSource.DEFAULT, "default")
    if name in _SECRETS or _may_have_secret(value):
        return f"# {name} is set ({source}), and not shown: it may have a secret"
    return f"{name} = {_toml(parameter, value)}  # {source}"


def _may_have_secret(value: Any) -> bool:
    """Return whether a value may be an address with a password or with a query, where some services want a token."""
    return any(isinstance(one, str) and ("@" in one or "?" in one) for one in (value if _many(value) else [value]))


def _many(value: Any) -> bool:
    return isinstance(value, tuple | list)


def _toml(parameter: click.Parameter, value: Any) -> str:
    """Return a value as TOML."""
    if _many(value):
        return f"[{', '.join(_toml(parameter, one) for one in value)}]"
    if isinstance(parameter.type, FileMode):
        value = f"{value:04o}"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(parameter.type, click.Path):
        value = Path(value).absolute()  # the same file, wherever the printed configuration is
    text = str(value).encode("utf-8", "replace").decode()
    # A JSON string is a TOML string, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
