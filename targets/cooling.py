"""Rests before a sitting is repeated: a while, and longer while the device is throttled."""

import time

from targets.disturbance import THROTTLED
from targets.measurement import TimingRule
from targets.progress import Progress
from targets.target import Target


def cool(target: Target, rule: TimingRule, progress: Progress) -> None:
    """Rests for `rule.cool_down_s`, and again while it is throttled, `cool_down_max_s` in all."""
    rested = 0.0
    while True:
        progress(f"cooling down for {rule.cool_down_s:g} s before measuring again", 0.0)
        time.sleep(rule.cool_down_s)
        rested += rule.cool_down_s
        if rested >= rule.cool_down_max_s or rule.cool_down_s <= 0:
            return
        told = target.throttling()
        if not told.startswith(THROTTLED):
            return
        progress(f"the device is {told}", 0.0)
