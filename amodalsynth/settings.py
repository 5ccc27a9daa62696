"""Fields of a frozen dataclass from text: `--set field=value`, TOML and JSON values. Presets and training configurations share it."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from amodalsynth.errors import ConfigurationError

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def described(text: str, default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field that says what it means."""
    return field(default=default, metadata={"help": text})


def describe(kind: type) -> dict[str, str]:
    """Field name -> what it means, of a dataclass whose fields are `described`."""
    return {spec.name: spec.metadata["help"] for spec in dataclasses.fields(kind)}


def to_json(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON values, tuples as lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(settings).items()}


@dataclass(frozen=True)
class Fields:
    """The fields of `kind`, scalars and tuples only.

    noun: what an error calls one, with its article. command: what lists the fields. examples: of fields whose notation may surprise.
    """

    kind: type
    noun: str
    command: str
    examples: Mapping[str, str] = field(default_factory=dict)

    def parse_assignments(self, assignments: Iterable[str]) -> dict[str, Any]:
        """ "field=value" texts to values by name; `ConfigurationError` for a name or value that cannot be."""
        changes: dict[str, Any] = {}
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals:
                raise ConfigurationError(f"--set {assignment}: expected FIELD=VALUE, such as {self._first_example()}")
            name = name.strip()
            self.require_known(name, "--set")
            changes[name] = self._parse(name, text.strip())
        return changes

    def convert_all(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """TOML or JSON values, by name, to those of the fields; `ConfigurationError` naming `where` otherwise."""
        for name in values:
            self.require_known(name, where)
        return {name: self._convert(name, value, where) for name, value in values.items()}

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """The fields that `values` lacks."""
        return sorted(self._types().keys() - values.keys())

    def require_known(self, name: str, where: str) -> None:
        """`ConfigurationError` unless there is a field `name`."""
        types = self._types()
        if name not in types:
            near = difflib.get_close_matches(name, types, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"`{self.command}` lists the fields"
            raise ConfigurationError(f"{where}: {self.noun} has no field '{name}'; {hint}")

    def _types(self) -> dict[str, Any]:
        return typing.get_type_hints(self.kind)

    def _first_example(self) -> str:
        return next((f"{name}={value}" for name, value in self.examples.items()), "name=value")

    def _parse(self, name: str, text: str) -> Any:
        """Text to the field's type: pairs as 640x480 or 2-15, lists by commas, yes and no for switches."""
        hint = self._types()[name]
        if typing.get_origin(hint) is not tuple:
            word = text.strip("\"'")
            return self._convert(name, _WORDS.get(word.lower(), word) if hint is bool else word, "--set")
        text = text.removeprefix("[").removesuffix("]")  # as `show` prints it
        if text == "":
            return self._convert(name, () if Ellipsis in typing.get_args(hint) else text, "--set")
        parts = [part.strip(" \"'") for part in text.split(",")]
        if len(parts) == 1 and len(typing.get_args(hint)) == 2 and Ellipsis not in typing.get_args(hint):
            number = r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*"
            pair = re.fullmatch(f"{number}[x-]{number}", text)
            if pair is None:
                return self._convert(name, text, "--set")
            parts = list(pair.groups())
        return self._convert(name, parts, "--set")

    def _convert(self, name: str, value: Any, where: str) -> Any:
        """A TOML value, a text or a list of texts to the field's type."""
        hint = self._types()[name]
        items = typing.get_args(hint)
        try:
            if typing.get_origin(hint) is not tuple:
                return _scalar(hint, value)
            if not isinstance(value, list | tuple) or (Ellipsis not in items and len(value) != len(items)):
                raise ValueError
            return tuple(_scalar(items[0], part) for part in value)
        except (ValueError, TypeError):
            example = f", such as {name}={self.examples[name]}" if name in self.examples else ""
            kind = "a list" if typing.get_origin(hint) is tuple else hint.__name__
            raise ConfigurationError(f"{where}: field {name}: expected {kind}{example}, got {value!r}") from None


def _scalar(kind: type, value: Any) -> Any:
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError
        return value
    if isinstance(value, bool) or (kind is int and isinstance(value, float)) or (kind is str and not isinstance(value, str)):
        raise ValueError
    return kind(value)
