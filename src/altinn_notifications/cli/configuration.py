"""The environment as settings: all mistakes at once, each with its variable's name; and the list of what there is."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_type_hints

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from altinn_notifications.settings import Contradiction, Environment, Group, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

PREFIX: Final = "NOTIFICATIONS_"
HIDDEN: Final = "(hidden)"


class WrongSettings(Exception):
    """Some `NOTIFICATIONS_*` variables cannot be used; one sentence for each, without the values of secrets."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its variable, its field in a group, and its present value as text."""

    variable: str
    group: str
    name: str
    value: str
    default: str
    meaning: str


def groups() -> dict[str, type[Group]]:
    """The class of every group, by its name in `Settings`."""
    hints = get_type_hints(Settings.__init__)
    return {name: get_args(hint)[0] for name, hint in hints.items() if name != "return"}


def variable_of(group: type[Group], field: str) -> str:
    """The environment variable of a field."""
    return f"{group.model_config['env_prefix']}{field}".upper()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of this process; `environment` says which of them are given.

    In the local environment the addresses of our own processes follow their ports. Raises `WrongSettings` with every
    mistake there is.
    """
    mistakes = list(_unknown_names(environment))
    values: dict[str, Group] = {}
    for name, group in groups().items():
        try:
            values[name] = group()
        except ValidationError as error:
            mistakes += [_sentence(group, detail) for detail in error.errors()]
        except SettingsError as error:
            mistakes.append(_not_json(group, str(error)))
    if mistakes:
        raise WrongSettings(mistakes)
    try:
        settings = Settings(**cast("dict[str, Any]", values))
    except Contradiction as error:
        raise WrongSettings([str(error)]) from None
    return _with_local_addresses(settings, environment)


def all_settings(settings: Settings) -> Iterator[Setting]:
    """Every setting with its present value; a secret's value is not shown."""
    for group_name, group in groups().items():
        values = getattr(settings, group_name)
        for name, field in group.model_fields.items():
            yield Setting(
                variable=variable_of(group, name),
                group=group_name,
                name=name,
                value=_shown(getattr(values, name)),
                default=_shown(field.get_default()),
                meaning=field.description or "",
            )


def _with_local_addresses(settings: Settings, environment: Mapping[str, str]) -> Settings:
    if settings.general.environment is not Environment.LOCAL:
        return settings
    given = {name.upper() for name in environment}
    local = local_addresses(settings)
    values: dict[str, Any] = {}
    for name, group in groups().items():
        wanted = {field: value for field, value in local[name].items() if variable_of(group, field) not in given}
        values[name] = group(**wanted)
    return Settings(**values)


def local_addresses(settings: Settings) -> dict[str, dict[str, Any]]:
    """Per group: the fields whose defaults are addresses of this machine, with the ports that are really used."""
    ports = {
        "http://localhost:5090": f"http://localhost:{settings.general.port}",
        "http://localhost:5101": f"http://localhost:{settings.simulator.port}",
    }
    found: dict[str, dict[str, Any]] = {
        group_name: {
            name: address + str(field.default).removeprefix(default)
            for name, field in group.model_fields.items()
            for default, address in ports.items()
            if str(field.default).startswith(default)
        }
        for group_name, group in groups().items()
    }
    found["email"]["smtp_port"] = settings.simulator.smtp_port
    return found


def _unknown_names(environment: Mapping[str, str]) -> Iterator[str]:
    known = [variable_of(group, field) for group in groups().values() for field in group.model_fields]
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            yield f"{name}: there is no such setting" + (f"; did you mean {close[0]}?" if close else "")


def _sentence(group: type[Group], detail: ErrorDetails) -> str:
    reason = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        return f"{group.model_config['env_prefix']}*: {reason}"
    field = str(detail["loc"][0])
    given = "" if _is_secret(group, field) else f" (given: {detail['input']!r})"
    return f"{variable_of(group, field)}: {reason}{given}"


def _not_json(group: type[Group], reason: str) -> str:
    """The sentence for a variable that should hold JSON; the library names its field in the text of the error."""
    field = next((name for name in group.model_fields if f'"{name}"' in reason), "*")
    return f"{variable_of(group, field)}: is not JSON"


def _is_secret(group: type[Group], field: str) -> bool:
    annotation = group.model_fields[field].annotation
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _shown(value: object) -> str:
    match value:
        case None:
            return "unset"
        case SecretStr():
            return HIDDEN if value.get_secret_value() else "empty"
        case bool():
            return str(value).lower()
        case tuple() | list():
            return ",".join(map(str, value)) or "none"
        case "":
            return "empty"
        case _:
            return str(value)
