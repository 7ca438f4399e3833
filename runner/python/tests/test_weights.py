"""Checkpoints in each of the four ways of keeping them, against what was written."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import grokrun as gk
from conftest import tiny

WAYS = [("f32", "none"), ("f16", "none"), ("f32", "lossless"), ("f16", "lossless")]


@pytest.mark.parametrize(("precision", "compression"), WAYS)
def test_every_way_of_keeping_checkpoints_is_read(
    trained, single: Path, precision: str, compression: str
) -> None:
    keeping = f'precision = "{precision}"\ncompression = "{compression}"\n'
    folder = trained(f"{precision}-{compression}", tiny(epochs=200, every=5, more=keeping))
    cell, plain = gk.open(folder).cell(), gk.open(single).cell()
    # More than 32: the packed ones begin anew once.
    assert cell.checkpoints == plain.checkpoints == list(range(0, 201, 5))
    packed = list((cell.folder / "checkpoints").glob("*.packed"))
    assert len(packed) == (41 if compression == "lossless" else 0)
    for epoch in [0, 5, 100, 160, 200, 165]:
        want, found = plain.weights(epoch), cell.weights(epoch)
        assert list(found) == list(want) and len(want) == 16
        for name, array in found.items():
            assert array.dtype == (np.float16 if precision == "f16" else np.float32)
            assert (array == want[name].astype(array.dtype)).all(), (epoch, name)


def test_weights_are_those_that_the_program_exports(single: Path, tmp_path: Path) -> None:
    import subprocess

    file = tmp_path / "last.npz"
    subprocess.run([gk.binary(), "export", single, "--format", "npz", "-o", file], check=True)
    cell, exported = gk.open(single).cell(), np.load(file)
    for name, array in cell.weights().items():
        assert (array == exported[name]).all()
    train, test = cell.split()
    assert (train == exported["train_indices"]).all() and (test == exported["test_indices"]).all()
    assert len(np.unique(np.concatenate([train, test]))) == 13 * 13


def test_weights_belong_to_the_caller(single: Path) -> None:
    cell = gk.open(single).cell()
    cell.weights(5)["embed.W_E"][:] = 0.0
    assert np.abs(cell.weights(5)["embed.W_E"]).max() > 0.0


def test_an_epoch_without_a_checkpoint_is_said(single: Path) -> None:
    with pytest.raises(gk.NotThere, match="no checkpoint of epoch 7; the nearest is 5"):
        gk.open(single).cell().weights(7)


def test_files_of_another_cell_or_epoch_are_refused(sweep: Path, tmp_path: Path) -> None:
    copy = tmp_path / "sweep"
    shutil.copytree(sweep, copy)
    one, other = gk.open(copy).all[:2]
    name = "checkpoints/00000020.safetensors"
    shutil.copy(other.folder / name, one.folder / name)
    with pytest.raises(gk.DamagedFile, match=f"of the cell {other.id}; expected the cell {one.id}"):
        one.weights(20)
    shutil.copy(one.folder / "checkpoints/00000040.safetensors", one.folder / name)
    with pytest.raises(gk.DamagedFile, match="of the epoch 40; expected the epoch 20"):
        one.weights(20)
    shutil.copy(other.folder / "metrics.parquet", one.folder / "metrics.parquet")
    with pytest.raises(gk.DamagedFile, match="of the cell"):
        one.history_table()


def test_cut_off_files_are_refused(sweep: Path, tmp_path: Path) -> None:
    copy = tmp_path / "sweep"
    shutil.copytree(sweep, copy)
    cell = gk.open(copy).all[0]
    files = {
        "checkpoints/00000020.safetensors": lambda: cell.weights(20),
        "metrics.parquet": cell.history_table,
        "analysis/progress-measures/series.parquet": lambda: cell.series_table("progress-measures"),
        "analysis/effective-weights/tensors.safetensors": lambda: cell.tensors("effective-weights"),
        "config.json": lambda: gk.open(copy),
    }
    for name, read in files.items():
        path = cell.folder / name
        whole = path.read_bytes()
        for size in (0, 5, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            if name == "config.json" and size == len(whole) - 1:
                continue  # Its last byte is the end of the line.
            with pytest.raises(gk.DamagedFile):
                read()
        path.write_bytes(whole)
        read()


def test_a_changed_byte_is_noticed_where_that_is_asked_for(sweep: Path, tmp_path: Path) -> None:
    pytest.importorskip("blake3", reason="comparing digests needs the package blake3")
    copy = tmp_path / "sweep"
    shutil.copytree(sweep, copy)

    def everything(verify: bool = True) -> None:
        cell = gk.open(copy, verify=verify).all[0]
        cell.weights(20), cell.history_table(), cell.tensors("effective-weights")
        cell.series_table("progress-measures"), cell.split()
        cell.table_json("progress-measures", "phases")

    everything()
    cell = gk.open(copy).all[0]
    for name in [
        "checkpoints/00000020.safetensors", "metrics.parquet", "split.safetensors",
        "analysis/effective-weights/tensors.safetensors",
        "analysis/progress-measures/series.parquet",
        "analysis/progress-measures/phases.table.json",
    ]:  # fmt: skip
        path = cell.folder / name
        whole = path.read_bytes()
        changed = bytearray(whole)
        # A number of a tensor or a page, a letter of a JSON text: all stay readable.
        at = whole.rindex(b"e") if name.endswith("json") else len(whole) - 1
        at = 200 if name.endswith("parquet") else at
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(gk.DamagedFile, match=path.name):
            everything()
        path.write_bytes(whole)
    everything()
