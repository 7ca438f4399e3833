#!/usr/bin/env bash
# A Slurm of one machine, by hand and without systemd or cgroups, for as long as a command runs:
#   tests/slurm/cluster.sh COMMAND [ARG …]
# Needs root, and Debian's slurm-wlm and munge. What it writes is in a folder that goes at the end.
set -euo pipefail

home=$(mktemp -d)
chmod 755 "$home"
mkdir -p "$home/state" "$home/spool" /run/munge
chown -R munge: /run/munge /var/lib/munge /var/log/munge /etc/munge
if [ ! -s /etc/munge/munge.key ]; then
    (umask 077 && head -c 1024 /dev/urandom >/etc/munge/munge.key)
    chown munge: /etc/munge/munge.key
fi

host=$(hostname -s)
cat >"$home/slurm.conf" <<EOF
ClusterName=grokrun-test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
export SLURM_CONF="$home/slurm.conf"

munge_is_ours=
cleanup() {
    scontrol shutdown >/dev/null 2>&1 || true
    if [ -n "$munge_is_ours" ]; then kill "$(cat /run/munge/munged.pid)" 2>/dev/null || true; fi
    for _ in $(seq 50); do
        [ -e "$home/slurmctld.pid" ] || [ -e "$home/slurmd.pid" ] || break
        sleep 0.1
    done
    rm -rf "$home"
}
trap cleanup EXIT
fail() {
    echo "the cluster does not start: $1" >&2
    tail -n 20 "$home"/*.log >&2 || true
    exit 1
}

if ! munge -n >/dev/null 2>&1; then
    runuser -u munge -- munged || fail munged
    munge_is_ours=1
fi
slurmctld || fail slurmctld
slurmd || fail slurmd
ready=
for _ in $(seq 100); do
    if sinfo -h -o %T 2>/dev/null | grep -q idle; then ready=1; break; fi
    sleep 0.2
done
[ -n "$ready" ] || fail "no idle node"

"$@"
