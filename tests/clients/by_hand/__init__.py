"""Clients that CI does not install, each imported when it is asked for."""

from importlib import import_module

NAMES = ["asyncpg", "psycopg2", "django", "odbc", "node"]


def checks(name):
    return lambda server: import_module(f"by_hand.{name}_client").check(server)


BY_HAND = {name: checks(name) for name in NAMES}
