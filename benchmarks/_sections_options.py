"""The section on the option of XLA that the installation page tells of."""

from typing import Any

from ._sections import over, over_peer
from ._tables import Record, spread, table


def joined(record: Record) -> list[str]:
    """The same commands with and without it."""
    plain = {_key(row): row for row in record["without"]}
    changed = [row for row in record["rows"] if "not_run" not in row]
    rows = [
        (*_key(row), *_both(plain[_key(row)], row, "ratio_to_forward_outer"),
         *_both(plain[_key(row)], row, "ratio_to_floor"))
        for row in changed
    ]  # fmt: skip
    head = ("n", "law", "/ forward + outer", "joined", "/ plain-JAX floor", "joined")
    return [
        "Ratios within a run of the same command, by XLA's default and where it joins "
        "loops: with the option on the [installation page](installation.md#cpu), for "
        "both sides of each ratio. It is not finished; all else on this page is "
        "without it.",
        table(head, rows),
        "With it:",
        *over(changed),
    ]


def peers(record: Record) -> list[str]:
    """Laws that a peer has too."""
    before = {_key(row): over_peer(row, record["without"]) for row in record["without"]}
    after = {_key(row): over_peer(row, record["rows"]) for row in record["rows"]}
    rows = [
        (*key, before[key], ratio)
        for key, ratio in after.items()
        if ratio and before.get(key)
    ]
    head = ("n", "law of a peer", "hamlearn / peer", "joined")
    return ["Where a law of both is the same:", table(head, rows)]


def _key(row: Record) -> tuple[Any, ...]:
    return row["neurons"], row["law"]


def _both(before: Record, after: Record, name: str) -> tuple[str, str]:
    return spread(before, name), spread(after, name)
