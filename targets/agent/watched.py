"""What disturbed this process while its samples were taken.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

import resource
from typing import Dict, Optional

from targets.agent.heat import Throttling
from targets.agent.waiting import Waiting
from targets.measurement import unavailable


class Watched:
    """Watches from when it is made until its conditions are asked for."""

    def __init__(self) -> None:
        self.waiting_share: Optional[float] = None
        self._throttling = Throttling()
        self._preemptions = _preemptions()
        self._waiting = Waiting()

    def conditions(self) -> Dict[str, str]:
        """Preemptions, waiting for a core and throttling since then, each as text."""
        share = self.waiting_share = self._waiting.share()
        return {
            "preemptions": str(_preemptions() - self._preemptions),
            "waiting_for_a_core": unavailable("this system keeps no account")
            if share is None
            else f"{share:.1%}",
            "throttling": self._throttling.told(),
        }


def _preemptions() -> int:
    """How often this process had to give its core to another."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
