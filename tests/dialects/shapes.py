# SPDX-License-Identifier: Apache-2.0
"""A value against a type of an SDK's own definitions, strictly: no member that the type does not
have, none left out that it needs. The SDKs themselves never check what they are given."""

import collections.abc
import functools
import types
import typing

import typing_extensions

WRAPPERS = (typing.Required, typing.NotRequired, typing.Annotated)
SCALARS = {str: str, bool: bool, int: int, float: (int, float), type(None): type(None)}


class Misfit(Exception):
    """The text says where, and what was wrong."""

    def depth(self):
        where = str(self).partition(" ")[0]
        return where.count(".") + where.count("[")


@functools.cache
def members(kind):
    """{name: (type, whether it is required)} of a TypedDict."""
    found = {}
    for base in getattr(kind, "__orig_bases__", ()):  # each has a totality of its own
        if typing_extensions.is_typeddict(base):
            found.update(members(base))
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    total = getattr(kind, "__total__", True)
    for name in hints.keys() - found.keys():
        hint = hints[name]
        origin = typing.get_origin(hint)
        required = total if origin not in WRAPPERS[:2] else origin is typing.Required
        found[name] = (hint, required)
    return found


def fit_members(value, kind, where):
    if not isinstance(value, dict):
        raise Misfit(f"{where} is no object")
    known = members(kind)
    for name, part in value.items():
        if name not in known:
            raise Misfit(f"{where}.{name}: no member of {kind.__name__}")
        fit(part, known[name][0], f"{where}.{name}")
    for name, (_, required) in known.items():
        if required and name not in value:
            raise Misfit(f"{where}.{name} is missing")


def fit_union(value, choices, where):
    """The complaint of the choice that came deepest is the one that is told."""
    worst = None
    for choice in choices:
        try:
            fit(value, choice, where)
        except Misfit as misfit:
            if worst is None or fits_kind(value, choice) or misfit.depth() > worst.depth():
                worst = misfit
        else:
            return
    raise worst


def fits_kind(value, choice):
    """Whether the `type` or `role` of an object is the choice's."""
    if not isinstance(value, dict) or not typing_extensions.is_typeddict(choice):
        return False
    for name in ("type", "role"):
        if name in value and name in members(choice):
            try:
                fit(value[name], members(choice)[name][0], name)
            except Misfit:
                return False
            return True
    return False


def fit(value, kind, where="body"):
    """Raises Misfit unless `value`, of JSON, has the shape of `kind`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in (typing.Any, object):
        return
    if kind in SCALARS:
        if not isinstance(value, SCALARS[kind]) or isinstance(value, bool) and kind is not bool:
            raise Misfit(f"{where} is {type(value).__name__}, not {kind.__name__}")
    elif origin in WRAPPERS:
        fit(value, arguments[0], where)
    elif origin in (typing.Union, types.UnionType):
        fit_union(value, arguments, where)
    elif origin is typing.Literal:
        if value not in arguments:
            raise Misfit(f"{where} is {value!r}, none of {arguments}")
    elif typing_extensions.is_typeddict(kind):
        fit_members(value, kind, where)
    elif origin is dict or isinstance(origin, type) and issubclass(origin, collections.abc.Mapping):
        if not isinstance(value, dict):
            raise Misfit(f"{where} is no object")
        for name, part in value.items():
            fit(part, arguments[1], f"{where}.{name}")
    elif arguments and origin is not None:  # lists, under several names
        if not isinstance(value, list):
            raise Misfit(f"{where} is no array")
        for number, part in enumerate(value):
            fit(part, arguments[0], f"{where}[{number}]")
    elif isinstance(kind, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        fit(value, kind.__value__, where)
    else:
        raise Misfit(f"{where}: nothing of JSON is a {kind}")
