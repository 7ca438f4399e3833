"""The Kaplan-Meier estimate of when models grok, among cells that were not all trained for long
enough to see.

Owns the formulas. Knows nothing of runs.

Of sorted times t_1 < t_2 < ... at which an event was seen, with d_i events at t_i among n_i cells
that were still watched just before it (their event or their end is at t_i or later):

    S(t)      = product over t_i <= t of (1 - d_i / n_i)
    Var S(t)  = S(t)^2 * sum over t_i <= t of d_i / (n_i (n_i - d_i))              (Greenwood)
    interval  = S(t) ^ exp(+-z v),  v = sqrt(sum) / |ln S(t)|                      (log-log)

A cell that ended without the event at t_i counts among n_i: it was watched then. Kaplan and Meier
(1958), Greenwood (1926), Kalbfleisch and Prentice (1980) for the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Survival:
    """The estimate, a row for each epoch at which an event or an end was seen; all arrays (rows,).

    Attributes:
        epoch: int64, increasing.
        at_risk: cells that are watched just before it.
        events, censored: cells of which the event was seen, and that ended without it.
        survival: the share without the event after this epoch.
        error: Greenwood's standard error of it; NaN where all had the event.
        lower, upper: the bounds of the interval; NaN where there is none.
    """

    epoch: Ints
    at_risk: Ints
    events: Ints
    censored: Ints
    survival: Floats
    error: Floats
    lower: Floats
    upper: Floats

    def quantile(self, share: float) -> int | None:
        """The first epoch by which this share had the event; none where that was not seen."""
        # Products of fractions are not exact: 0.5 may be a last bit above itself.
        there = np.flatnonzero(self.survival <= 1.0 - share + 1e-9)
        return int(self.epoch[there[0]]) if len(there) else None

    def columns(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return dict(vars(self))


def kaplan_meier(epochs: ArrayLike, seen: ArrayLike, confidence: float = 0.95) -> Survival:
    """The estimate from the epoch of each cell, and whether the event was seen then.

    Args:
        epochs: (cells,) the epoch of the event, or up to which there was none.
        seen: (cells,) whether it is that of the event.
        confidence: the probability of the interval, between 0 and 1.
    """
    when, event = np.asarray(epochs, np.int64), np.asarray(seen, bool)
    if when.shape != event.shape or when.ndim != 1:
        raise ValueError(
            f"epochs {when.shape} and seen {event.shape}: expected two lists of one length"
        )
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence={confidence}: expected a number between 0 and 1")
    epoch = np.unique(when)
    events = np.array([np.sum(event & (when == t)) for t in epoch], np.int64)
    censored = np.array([np.sum(~event & (when == t)) for t in epoch], np.int64)
    at_risk = np.array([np.sum(when >= t) for t in epoch], np.int64)
    survival: Floats = np.cumprod(1.0 - events / np.maximum(at_risk, 1)).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.cumsum(events / (at_risk * (at_risk - events)))
        error: Floats = np.where(survival > 0.0, survival * np.sqrt(total), np.nan)
        spread = (
            NormalDist().inv_cdf(0.5 + confidence / 2.0) * np.sqrt(total) / np.abs(np.log(survival))
        )
        lower, upper = survival ** np.exp(spread), survival ** np.exp(-spread)
    none_yet = survival == 1.0
    inside = (survival > 0.0) & ~none_yet
    lower = np.where(inside, lower, np.where(none_yet, 1.0, np.nan))
    upper = np.where(inside, upper, np.where(none_yet, 1.0, np.nan))
    return Survival(epoch, at_risk, events, censored, survival, error, lower, upper)
