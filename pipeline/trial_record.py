"""A trial as JSON, every raw sample included, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from targets.budget import Line, Verdict
from targets.samples import measurement_from_json
from targets.trial import Attempt, Trial


def trial_to_json(trial: Trial) -> dict[str, Any]:
    """All attempts of a trial; `trial_from_json` reads it back."""
    return {"attempts": [_attempt_to_json(one) for one in trial.attempts]}


def trial_from_json(document: Mapping[str, Any]) -> Trial:
    """Reads what `trial_to_json` wrote. Raises ArtifactError for malformed samples."""
    attempts = tuple(_attempt_from_json(one) for one in document["attempts"])
    last = attempts[-1]
    return Trial(last.dense, last.candidate, last.verdict, attempts)


def _attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "dense": attempt.dense.to_json() if attempt.dense else None,
        "candidate": attempt.candidate.to_json(),
        "verdict": asdict(attempt.verdict),
    }


def _attempt_from_json(document: Mapping[str, Any]) -> Attempt:
    verdict = document["verdict"]
    lines = tuple(Line(**line) for line in verdict["lines"])
    dense = document["dense"]
    return Attempt(
        measurement_from_json(dense) if dense else None,
        measurement_from_json(document["candidate"]),
        Verdict(verdict["status"], lines),
    )
