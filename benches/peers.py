"""Times grokrun and the same experiment in PyTorch (TransformerLens or plain) and in JAX, in turn.

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


def course(small, block):
    """The peers of the one-layer model: name, script, arguments."""
    torch, jax = block
    return [("TransformerLens", "torch_tl.py", ["--op", "mul", *small, "--block", str(torch), "--blocks", "3"]),
            ("JAX, table form", "jax_scan.py",
             ["--op", "mul", *small, "--form", "table", "--block", str(jax), "--blocks", "3"])]


def model(*arguments):
    """The peers of another model, of which JAX's is its best exact form."""
    return [("JAX, pruned form", "jax_models.py", [*arguments, "--form", "pruned", "--epochs", "30"]),
            ("torch, eager", "torch_models.py", [*arguments, "--epochs", "10"])]


TOP = 'operation = "add"\nmodulus = {}\nfraction = {}\nseeds = {{ data = 0, model = 0 }}\n'
TWO_LAYERS = TOP.format(97, 0.3) + '[model]\nlayers = 2\nbiases = "none"\nnorm = "%s"\n[train]\nepochs = 1\n'
RELU_MLP = TOP.format(113, 0.4) + '''[model]
kind = "mlp"
input = "two-hot"
hidden = [200, 200]
biases = "none"
[train]
epochs = 1
weight_decay = 4.0
'''
SETTINGS = {
    # name: (spec, or its text; grokrun's epochs; the peers)
    "mult113": ("specs/mult113.toml", 1000, course([], (5, 20))),
    "tiny": ("specs/tiny.toml", 8000, course(SMALL, (50, 500))),
    "quadratic-mlp": ("specs/gromov97.toml", 300, model("--model", "quadratic-mlp")),
    "relu-mlp": (RELU_MLP, 300, model("--model", "relu-mlp")),
    "two-layers": (TWO_LAYERS % "none", 60, model("--model", "transformer", "--norm", "none")),
    "two-layers-pre": (TWO_LAYERS % "pre", 60, model("--model", "transformer", "--norm", "pre")),
}


def grokrun(program, spec, epochs, threads):
    """-> ms an epoch of a whole process, its peak memory in MiB."""
    with tempfile.TemporaryDirectory() as out:
        # Training alone: the peers analyse nothing and keep no checkpoints. The first and the last
        # are written all the same.
        alone = Path(out) / "alone.toml"
        text = spec if "\n" in spec else Path(spec).read_text()
        alone.write_text(text.split("[analysis.")[0])
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
    parser.add_argument("--peers", required=True, help="the folder with torch_tl.py, jax_scan.py, jax_models.py, torch_models.py")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=SETTINGS)
    args = parser.parse_args()
    program = str(Path(args.grokrun).resolve())
    for name, (spec, epochs, peers) in SETTINGS.items():
        if args.only not in (None, name):
            continue
        rows = {"grokrun": []} | {what: [] for what, _, _ in peers}
        for _ in range(args.rounds):
            rows["grokrun"].append(grokrun(program, spec, epochs, args.threads))
            for what, script, arguments in peers:
                rows[what].append(peer(args.peers, script, arguments, args.threads))
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
