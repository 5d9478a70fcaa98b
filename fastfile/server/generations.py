"""The generations of workers: which one serves, which one is starting, and the replacement that waits for its turn."""

from __future__ import annotations

from collections.abc import Callable

from fastfile.records import NamedTuple
from fastfile.server.resources import Plan


class Generation(NamedTuple):
    """The workers that were started together, from one plan; a later one replaces them all."""

    number: int
    plan: Plan
    is_reload: bool = False


class Generations:
    """``current`` serves or is starting; ``settled`` is the last whose workers were all ready, or None."""

    def __init__(self, plan: Plan) -> None:
        self.current = Generation(0, plan)
        self.settled: Generation | None = None
        self.pending: Callable[[], None] | None = None  # the next replacement, while a generation is still starting
        self._latest = 0

    @property
    def is_starting(self) -> bool:
        """Tell whether not all workers of the current generation are ready yet."""
        return self.current is not self.settled

    def begin(self, plan: Plan, is_reload: bool) -> None:
        """Make a new generation the current one."""
        self._latest += 1
        self.current = Generation(self._latest, plan, is_reload)

    def settle(self) -> None:
        """Note that all workers of the current generation are ready."""
        self.settled = self.current

    def roll_back(self) -> None:
        """Make the settled generation the current one again."""
        assert self.settled is not None
        self.current = self.settled

    def begin_pending(self) -> None:
        """Begin the replacement that waited."""
        if self.pending is not None:
            begin, self.pending = self.pending, None
            begin()
