#!/usr/bin/env bash
# The cluster section of doc/sweeps.md on a real Slurm: a sweep of eight cells in four shards, of which
# one is told to end and requeued by its own script, and one is killed and submitted again; then
# compared byte for byte with the same sweep in one process. Run inside tests/slurm/cluster.sh:
#   tests/slurm/cluster.sh tests/slurm/sweep.sh GROKRUN
set -euo pipefail
grokrun=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >sweep.toml <<'EOF'
# Eight small models, some seconds each.
operation = "mul"
modulus   = 23
fraction  = 0.5
seeds     = { data = 1, model = { start = 0, count = 8 } }
[model]
d_model = 32
d_head  = 8
d_mlp   = 64
[train]
epochs = 15_000
[analysis.commutativity]
every = 1000
EOF

# Slurm gives each task one core.
export RAYON_NUM_THREADS=1
run=runs/sweep
state() { squeue -h -r -j "$1" -o '%K %T' 2>/dev/null || true; }
fail() {
    echo "$1" >&2
    tail -n 20 "$run"/slurm-*.out >&2 || true
    exit 1
}
latest() { # the epoch of a cell's latest checkpoint, or nothing
    local newest
    newest=$(ls "$run/cells/$1/checkpoints" 2>/dev/null | tail -n 1)
    newest=${newest%.safetensors}
    echo "$((10#${newest:-0}))"
}
past() { # waits until a cell has a checkpoint past an epoch
    for _ in $(seq 1200); do
        [ "$(latest "$1")" -gt "$2" ] && return
        sleep 0.05
    done
    fail "no checkpoint of $1 past epoch $2"
}
gone() { # waits until a job has left the queue
    for _ in $(seq 3000); do
        [ -z "$(state "$1")" ] && return
        sleep 0.1
    done
    fail "job $1 does not end"
}

echo "== in four shards"
"$grokrun" submit sweep.toml --engine slurm --shards 4 --time 10:00 --backend cpu | tee submitted
job=$(sed -n 's/^job \([0-9]*\):.*/\1/p' submitted)

mkdir original
mv sweep.toml original/
echo "== the spec is another one by now: tasks train what was submitted"
echo 'operation = "add"' >sweep.toml

past mul-p23-f0.5-d1-m0 500
echo "== shard 1 is told to end, as before a preemption, twice: its script puts it back into the queue"
# Beside, since scancel waits for an answer of a task that is back in the queue by then.
timeout 5 scancel --signal=TERM --batch "${job}_1" || true &
timeout 5 scancel --signal=TERM --batch "${job}_1" || true &
echo "== shard 2 is killed"
past mul-p23-f0.5-d1-m2 500
victim=$(pgrep -f -- "$grokrun run .*--shard auto" | while read -r pid; do
    tr '\0' '\n' <"/proc/$pid/environ" | grep -q '^SLURM_ARRAY_TASK_ID=2$' && echo "$pid" && break
done) || true
[ -n "$victim" ] || fail "shard 2 does not run"
kill -KILL "$victim"
"$grokrun" status "$run"
# Slurm lets a requeued task wait for two minutes; this one need not.
for _ in $(seq 100); do
    [[ "$(state "$job")" == *"1 PENDING"* ]] && break
    sleep 0.1
done
scontrol update JobId="${job}_1" StartTime=now
gone "$job"
"$grokrun" status "$run"
grep -q Interrupted "$run/log.1-of-4.jsonl" || fail "shard 1 was not interrupted"
"$grokrun" status "$run" | awk 'NR == 2 && $4 == 0 { exit 1 }' || fail "nothing of shard 2 is left to do"

echo "== what was killed is submitted again, alone: it takes up what is left of its own share"
again=$(sbatch --parsable --array=2 "$run/slurm.sh")
gone "$again"
"$grokrun" status "$run"

echo "== the same in one process"
"$grokrun" original/sweep.toml --out whole --backend cpu --quiet
rm -f "$run"/cells/*/.lock whole/sweep/cells/*/.lock
diff -r whole/sweep/cells "$run/cells" || fail "the sweeps differ"
tail -n +2 "$run/spec.toml" | cmp original/sweep.toml - || fail "the spec in the run is not the one that was given"
ls "$run"/log.*.jsonl | grep -qv -- '-of-4' && fail "a task took itself for another share"
cmp whole/sweep/resolved.toml "$run/resolved.toml"
"$grokrun" status "$run" | awk 'NR == 2 && ($1 != 8 || $6 != 8) { exit 1 }' || fail "not all is done"
echo "byte for byte the same: $(find "$run/cells" -type f | wc -l) files of 8 cells"
