"""Who may send how much of a batch: every owner the same, and of an owner every sender domain the same. Pure."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    Source = tuple[str, str]
    """An owner, and the domain it sends from."""

Member = TypeVar("Member")


def shares(sources: Collection[Source], room: int, *, most: Mapping[str, int], turn: int) -> dict[Source, int]:
    """How many messages of each source go into a batch of `room`; sources that get none are left out.

    No domain gets more than `most` says, all owners together. When there is less room than there are owners, who comes
    first depends on `turn`.
    """
    rest, given = dict(most), {}
    owners = [list(group) for _, group in groupby(sorted(sources), key=itemgetter(0))]
    for of_owner, portion in _portions(owners, room, turn):
        for source, part in _portions(of_owner, portion, turn // len(owners)):  # moves on once per turn of the owner
            granted = min(part, rest[source[1]])
            rest[source[1]] -= granted
            if granted:
                given[source] = granted
    return given


def _portions(members: Sequence[Member], room: int, turn: int) -> Iterator[tuple[Member, int]]:
    """`room` divided equally; what cannot be divided goes to the first, beginning with the one whose turn it is."""
    if not members:
        return
    start = turn % len(members)
    equal, left_over = divmod(room, len(members))
    for place, member in enumerate([*members[start:], *members[:start]]):
        yield member, equal + (place < left_over)
