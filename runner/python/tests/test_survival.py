"""Kaplan and Meier's estimate: a textbook's numbers, a planted rate, the program's median."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import grokrun as gk

# Freireich et al. (1963): weeks of remission under 6-mercaptopurine and placebo, + is censored.
# The estimates and Greenwood's errors are those of Cox and Oakes (1984) and of Kleinbaum and Klein.
DRUG = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+".split()
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23".split()
PUBLISHED = {
    6: (0.857, 0.0764), 7: (0.807, 0.0869), 10: (0.753, 0.0963), 13: (0.690, 0.1068),
    16: (0.627, 0.1141), 22: (0.538, 0.1282), 23: (0.448, 0.1346),
}  # fmt: skip


def estimate(times: list[str]) -> gk.Survival:
    return gk.kaplan_meier([int(t.strip("+")) for t in times], ["+" not in t for t in times])


def test_the_textbook_data_set() -> None:
    drug = estimate(DRUG)
    for week, (survival, error) in PUBLISHED.items():
        row = list(drug.epoch).index(week)
        assert drug.survival[row] == pytest.approx(survival, abs=6e-4)
        assert drug.error[row] == pytest.approx(error, abs=6e-5)
    assert drug.quantile(0.5) == 23 and estimate(PLACEBO).quantile(0.5) == 8
    assert drug.quantile(0.75) is None
    # The log-log interval of R's survfit(conf.type = "log-log") at week 10.
    row = list(drug.epoch).index(10)
    assert (drug.lower[row], drug.upper[row]) == pytest.approx((0.503, 0.889), abs=6e-4)


def test_without_censoring_it_is_the_share_that_is_left() -> None:
    times = np.random.default_rng(1).integers(1, 30, 200)
    found = gk.kaplan_meier(times, np.ones(200, bool))
    assert found.survival == pytest.approx([(times > t).mean() for t in found.epoch])
    # Greenwood's error is the binomial one then.
    s = found.survival[:-1]
    assert found.error[:-1] == pytest.approx(np.sqrt(s * (1 - s) / 200))
    assert np.isnan(found.error[-1]) and found.survival[-1] == pytest.approx(0.0)


def test_a_planted_rate_comes_back_under_censoring_and_not_by_leaving_out() -> None:
    rng = np.random.default_rng(2)
    event, end = rng.exponential(1000, 4000), rng.uniform(0, 2000, 4000)
    found = gk.kaplan_meier(np.minimum(event, end).astype(int), event <= end)
    row = np.searchsorted(found.epoch, 693)
    assert found.survival[row] == pytest.approx(0.5, abs=0.02)
    assert found.lower[row] < 0.5 < found.upper[row]
    # The control: only those whose event was seen.
    assert (event[event <= end] > 693).mean() < 0.4


def test_cells_of_a_run(trained) -> None:
    from conftest import tiny

    # Long enough for some to memorise and hold it for 500 epochs, and for some not to.
    spec = tiny("[0.3, 0.9]", "[0, 1, 2, 3]", 700, 0)
    folder = trained("outcomes", spec)
    run = gk.open(folder)
    frame = run.survival_table("memorised")
    events, ended = sum(frame["events"].to_pylist()), sum(frame["censored"].to_pylist())
    held = [cell.memorised for cell in run]
    assert events == sum(epoch is not None for epoch in held) and events + ended == 8
    assert 0 < events < 8, held
    # What the program says of the same cells, worked out by itself (runner/store/src/spread.rs).
    again = [gk.binary(), folder.with_suffix(".toml"), "--out", folder.parent]
    said = subprocess.run(again, capture_output=True, text=True, check=True).stdout
    row = re.search(r"^memorised +(\d+) +(.+?)  +(.+?)  +(.+?)  +\d+", said, re.M)
    assert row, said
    ((_, whole),) = run.survivals("memorised")
    for text, share in zip(row.groups()[1:4], (0.25, 0.5, 0.75), strict=True):
        known = whole.quantile(share)
        assert text.strip() == ("not reached" if known is None else str(known)), (said, frame)
    both = run.survival_table("memorised", by="fraction")
    assert sum(both["events"].to_pylist()) == events and set(both["fraction"].to_pylist()) == {
        0.3,
        0.9,
    }


def test_a_failed_cell_counts_for_nothing_and_an_open_one_from_where_it_is(sweep: Path) -> None:
    run = gk.open(sweep)
    for cell, summary in zip(
        run,
        [
            {"status": "failed", "epochs": 10},
            {"status": "finished", "epochs": 900, "test_accuracy_epoch": 300},
            {"status": "finished", "epochs": 900, "test_accuracy_since": 700},
            {"status": "finished", "epochs": 900},
            {"status": "stopped early", "epochs": 200},
            {},
        ],
        strict=True,
    ):
        cell.summary = summary
    table = run.survival_table()
    assert table["epoch"].to_pylist() == [200, 300, 700, 900]
    assert table["at_risk"].to_pylist() == [4, 3, 2, 1]
    assert table["survival"].to_pylist() == pytest.approx([1, 2 / 3, 2 / 3, 2 / 3])
    with pytest.raises(gk.NotThere, match="did you mean 'grokked'"):
        run.survival("grok")
