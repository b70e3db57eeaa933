"""Repeats recorded calls with the client that openapi-python-client makes of the document.

Usage: calls.py PACKAGE BASE_URL < calls.json
"""

import enum
import importlib
import json
import sys
import typing
import uuid


def converted(value, hint):
    """A value as the generated function takes it."""
    options = [option for option in typing.get_args(hint)] if typing.get_origin(hint) is not list else [hint]
    for option in options or [hint]:
        if typing.get_origin(option) is list and isinstance(value, list):
            [item] = typing.get_args(option)
            return [converted(one, item) for one in value]
        if isinstance(option, type) and issubclass(option, (enum.Enum, uuid.UUID)) and isinstance(value, str):
            return option(value)
    return value


def body_of(value, hint):
    """A body as the first model that takes it."""
    models = [model for model in (*typing.get_args(hint), hint) if hasattr(model, "from_dict")]
    return models[0].from_dict(value)


def call(package, base_url, recorded):
    tag = recorded["tag"].replace("-", "_")
    module = importlib.import_module(f"{package}.api.{tag}.{recorded['operation']}")
    client = importlib.import_module(package).AuthenticatedClient(base_url=base_url, token=recorded["token"])
    hints = typing.get_type_hints(module.sync_detailed)
    arguments = {}
    for name, value in {**recorded["path"], **recorded["query"]}.items():
        name = name if name in hints else f"{name}_"
        arguments[name] = converted(value, hints[name])
    if recorded["body"] is not None:
        arguments["body"] = body_of(recorded["body"], hints["body"])
    answer = module.sync_detailed(client=client, **arguments)
    if answer.status_code >= 300 or answer.parsed is None:
        raise SystemExit(f"{recorded['operation']} answered {answer.status_code}: {answer.content.decode()}")


def main():
    package, base_url = sys.argv[1:3]
    calls = json.load(sys.stdin)
    for recorded in calls:
        call(package, base_url, recorded)
    print(f"{len(calls)} calls")


main()
