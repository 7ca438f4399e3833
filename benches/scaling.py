"""Compares what `grokrun check` predicts with what runs then take, over p, fraction, d_mlp, cells.

    python benches/scaling.py --grokrun target/release/grokrun

Each row asks `check` for the time of a run (predicted from operations by costs that were measured
once), then times the run: a whole process, from start to report, by the clock and in core-seconds,
which other programs do not lengthen. Epochs are as many as fill --seconds by the prediction. At the
end: how many rows are within a factor of 1.5, and the exponents of p, fraction and d_mlp in the core
time of an epoch, measured, predicted, and of the operations alone.
The last column is how many cores other programs used meanwhile; a run that they disturbed is done
again, and the least disturbed counts. Needs Linux and numpy; leave the machine alone.
"""
import argparse
import itertools
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

SPEC = """
operation = "mul"
modulus   = {p}
fraction  = {fraction}
seeds     = {{ data = 598, model = {{ start = 0, count = {cells} }} }}
[model]
d_mlp = {d_mlp}
[train]
epochs = {epochs}
"""
# Cores that other programs may use during a run.
DISTURBED = 0.1
UNITS = {"h": 3600, "min": 60, "s": 1}


def seconds(words):
    """'3 min 5 s' -> 185.0"""
    return sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([\d.]+) (h|min|s)\b", words))


def check(program, spec, options):
    """-> predicted seconds and core-seconds of the run, ms of an epoch of its slowest batch."""
    done = subprocess.run([program, "check", spec, *options], check=True, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("time"))
    total = re.search(r"about (.*?), (.*?) of core time: training .*? at ([\d.]+) ms", line)
    return seconds(total[1]), seconds(total[2]), float(total[3])


def busy():
    """-> core-seconds that all programs have used since the start of the system (Linux)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = [int(field) for field in fields]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def run(program, spec, options, tries):
    """-> seconds and core-seconds of the process, and how many cores other programs used meanwhile;
    the least disturbed of some runs, the first that had the machine to itself."""
    least = None
    for _ in range(tries):
        with tempfile.TemporaryDirectory() as out:
            before, own, started = busy(), sum(os.times()[2:4]), time.perf_counter()
            subprocess.run([program, "run", spec, *options, "--quiet", "--out", out], check=True)
            elapsed = time.perf_counter() - started
            own = sum(os.times()[2:4]) - own
            others = (busy() - before - own) / elapsed
        if least is None or others < least[2]:
            least = (elapsed, own, max(others, 0.0))
        if others < DISTURBED:
            break
    return least


def operations(p, fraction, d_mlp):
    """Multiply-adds of an epoch of a cell: runner/executor/src/operations.rs."""
    train, d, heads, e, f = int(p * p * fraction), 128, 4, 32, d_mlp
    both = p * p + 2 * train
    fold = 2 * p * heads * e * (d + f + p) + heads * e * d * (f + p) + d * f * p
    return both * f * p + both * 2 * heads * (f + p) + 3 * fold


def exponents(rows, values):
    """Least squares of log value = c + Σ exponent · log of (p, fraction, d_mlp)."""
    terms = np.array([[1.0, *np.log([p, fraction, d_mlp])] for p, fraction, d_mlp in rows])
    found, *_ = np.linalg.lstsq(terms, np.log(values), rcond=None)
    return found[1:]


def numbers(kind):
    return lambda text: [kind(item) for item in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grokrun", default="target/release/grokrun")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each run, by the prediction")
    parser.add_argument("--tries", type=int, default=4, help="of a run that other programs disturb")
    parser.add_argument("--p", type=numbers(int), default=[23, 59, 97, 113])
    parser.add_argument("--fraction", type=numbers(float), default=[0.1, 0.3, 0.8])
    parser.add_argument("--d-mlp", type=numbers(int), default=[128, 512, 2048])
    parser.add_argument("--cells", type=numbers(int), default=[1, 2, 8])
    parser.add_argument("--specs", nargs="*", default=["specs/mult59.toml:600", "specs/mult113.toml:400"],
                        help="SPEC:EPOCHS, with the analyses that they ask for")
    parser.add_argument("options", nargs="*", help="for grokrun, after --: --backend cpu")
    args = parser.parse_args()
    program, options = str(Path(args.grokrun).resolve()), args.options or ["--backend", "cpu"]

    rows, points, measured_ms, predicted_ms = [], [], [], []
    print(f"{'p':>4} {'fraction':>8} {'d_mlp':>5} {'cells':>5} {'epochs':>6} {'ms/epoch':>9} | predicted s, measured, ratio | the same in core-seconds | others")

    def compare(path, more, epochs, label):
        predicted, predicted_cores, ms = check(program, path, more)
        measured, measured_cores, others = run(program, path, more, args.tries)
        rows.append((measured / predicted, measured_cores / predicted_cores, others))
        print(f"{label} {epochs:6} {ms:9.3f} | {predicted:8.2f} {measured:8.2f} {rows[-1][0]:6.2f} | "
              f"{predicted_cores:8.2f} {measured_cores:8.2f} {rows[-1][1]:6.2f} | {others:.2f}", flush=True)
        return predicted_cores, measured_cores, ms

    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "scaling.toml"
        for p, fraction, d_mlp, cells in itertools.product(args.p, args.fraction, args.d_mlp, args.cells):
            def write(epochs):
                spec.write_text(SPEC.format(p=p, fraction=fraction, d_mlp=d_mlp, cells=cells, epochs=epochs))
            # How long 1000 epochs and one take tells how many fill the time.
            write(1001)
            long = check(program, str(spec), options)[0]
            write(1)
            short = check(program, str(spec), options)[0]
            epochs = max(10, round(args.seconds / max(long - short, 1e-3) * 1000))
            write(epochs)
            label = f"{p:4} {fraction:8} {d_mlp:5} {cells:5}"
            predicted, measured, ms = compare(str(spec), options, epochs, label)
            if cells == 1:
                points.append((p, fraction, d_mlp))
                predicted_ms.append(ms)
                measured_ms.append(ms * measured / predicted)
        for item in args.specs:
            path, epochs = item.rsplit(":", 1)
            more = [*options, "--set", f"train.epochs={epochs}"]
            compare(path, more, int(epochs), f"{path + ', its analyses':>24}")

    print()
    alone = [row for row in rows if row[2] < DISTURBED]
    for what, ratios in [("wall time of the undisturbed runs", [row[0] for row in alone]),
                         ("core time of all runs", [row[1] for row in rows])]:
        off = [max(ratio, 1 / ratio) for ratio in ratios] or [float("nan")]
        within = sum(factor <= 1.5 for factor in off)
        print(f"{what}: {within} of {len(ratios)} within a factor of 1.5; measured / predicted {np.median(ratios or [float('nan')]):.2f} in the median, worst factor {max(off):.2f}")
    if all(len(set(axis)) > 1 for axis in zip(*points)) and points:
        print("\nexponents, one cell      p  fraction  d_mlp")
        counted = [operations(*point) for point in points]
        for what, values in [("measured", measured_ms), ("predicted", predicted_ms), ("operations", counted)]:
            print(f"{what:18} {'  '.join(f'{x:7.2f}' for x in exponents(points, values))}")


if __name__ == "__main__":
    main()
