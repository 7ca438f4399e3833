"""Times grokrun and the same experiment in PyTorch + TransformerLens and in JAX, in turn.

    python benches/peers.py --grokrun target/release/grokrun --peers ../shared/peers

Run it with a Python that has torch, jax, transformer-lens==3.9.0, numpy and safetensors. Each round
runs every program once, one after the other, so that all see the same state of the machine; the
table has the median over rounds. An epoch is a train step and a test evaluation. grokrun is timed
as a whole process that trains, checkpoints and writes its run directory, start and end included.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL = ["--p", "23", "--frac", "0.5", "--data-seed", "1", "--model-seed", "2",
         "--d-model", "32", "--n-heads", "4", "--d-head", "8", "--d-mlp", "64"]
SETTINGS = {
    # name: (spec, grokrun's epochs, TransformerLens' arguments, JAX's arguments)
    "mult113": ("specs/mult113.toml", 1000,
                ["--op", "mul", "--block", "5", "--blocks", "3"],
                ["--op", "mul", "--form", "table", "--block", "20", "--blocks", "3"]),
    "tiny": ("specs/tiny.toml", 8000,
             ["--op", "mul", *SMALL, "--block", "50", "--blocks", "3"],
             ["--op", "mul", *SMALL, "--form", "table", "--block", "500", "--blocks", "3"]),
}


def grokrun(program, spec, epochs, threads):
    """-> ms an epoch of a whole process, its peak memory in MiB."""
    with tempfile.TemporaryDirectory() as out:
        # Training alone: the peers analyse nothing and keep no checkpoints. The first and the last
        # are written all the same.
        alone = Path(out) / "alone.toml"
        alone.write_text(Path(spec).read_text().split("[analysis.")[0])
        started = time.perf_counter()
        process = subprocess.Popen([program, str(alone), "--backend", "cpu", "--quiet", "--out", out,
                                    "--set", f"train.epochs={epochs}", "--set", "checkpoints.every=0"],
                                   env={"RAYON_NUM_THREADS": str(threads)})
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - started
    if status != 0:
        raise SystemExit(f"{program} ended with status {status}")
    return elapsed / epochs * 1e3, usage.ru_maxrss / 1024


def peer(folder, script, arguments, threads):
    """-> median ms an epoch, peak memory in MiB, as the peer's own script measures them."""
    command = [sys.executable, script, *arguments, "--threads", str(threads)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{script} ended with status {done.returncode}:\n{done.stderr}")
    result = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    return result["median_ms"], result["rss_mib"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grokrun", default="target/release/grokrun")
    parser.add_argument("--peers", required=True, help="the folder with torch_tl.py and jax_scan.py")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=SETTINGS)
    args = parser.parse_args()
    program = str(Path(args.grokrun).resolve())
    for name, (spec, epochs, torch_args, jax_args) in SETTINGS.items():
        if args.only not in (None, name):
            continue
        rows = {"grokrun": [], "TransformerLens": [], "JAX, table form": []}
        for _ in range(args.rounds):
            rows["grokrun"].append(grokrun(program, spec, epochs, args.threads))
            rows["TransformerLens"].append(peer(args.peers, "torch_tl.py", torch_args, args.threads))
            rows["JAX, table form"].append(peer(args.peers, "jax_scan.py", jax_args, args.threads))
        ours = statistics.median(ms for ms, _ in rows["grokrun"])
        print(f"\n{name}, {args.threads} threads, {args.rounds} rounds in turn")
        print(f"{'':18} {'ms/epoch':>9} {'min':>8} {'max':>8} {'x grokrun':>10} {'MiB':>6}")
        for what, values in rows.items():
            times = [ms for ms, _ in values]
            median = statistics.median(times)
            memory = max(mib for _, mib in values)
            print(f"{what:18} {median:9.3f} {min(times):8.3f} {max(times):8.3f} {median / ours:10.2f} {memory:6.0f}",
                  flush=True)


if __name__ == "__main__":
    main()
