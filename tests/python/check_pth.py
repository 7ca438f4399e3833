"""Checks the structure of an exported .pth with the standard library alone: zip, pickle, storages.

    python3 check_pth.py FILE.pth MODULUS CHECKPOINTS EPOCHS

The pickle is read by a machine that knows what torch.load(weights_only=True) allows (a subset of it),
so that a file this accepts has nothing in it that torch would have to execute.
"""
import pickle
import pickletools
import struct
import sys
import zipfile

TYPES = {"FloatStorage": ("f", 4), "LongStorage": ("q", 8), "BoolStorage": ("?", 1)}
KEYS = ["model", "config", "grokrun_config", "checkpoints", "checkpoint_epochs", "train_losses",
        "test_losses", "train_accs", "test_accs", "train_indices", "test_indices"]


class Tensor:
    """A view of a storage: what _rebuild_tensor_v2 was given."""

    def __init__(self, storage, offset, size, stride, requires_grad, hooks):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride
        assert not requires_grad and not hooks
        count, want = 1, []
        for n in reversed(size):
            want.insert(0, count)
            count *= n
        assert tuple(want) == stride, f"{size} has strides {stride}, expected {want}"
        assert offset == 0 and count == storage[2], f"{size} of {storage}"


class Machine(pickle.Unpickler):
    def persistent_load(self, identity):
        word, kind, key, device, count = identity
        assert (word, device) == ("storage", "cpu"), identity
        return kind, key, count

    def find_class(self, module, name):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return Tensor
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        assert module == "torch" and name in TYPES, f"{module}.{name} is not among what torch needs"
        return name


def model_shapes(p, c):
    d, h, e, m = c["d_model"], c["n_heads"], c["d_head"], c["d_mlp"]
    attn, mlp = "blocks.0.attn.", "blocks.0.mlp."
    return [("embed.W_E", (p + 1, d)), ("pos_embed.W_pos", (3, d)), (attn + "W_Q", (h, d, e)),
            (attn + "W_O", (h, e, d)), (attn + "b_Q", (h, e)), (attn + "b_O", (d,)),
            (attn + "W_K", (h, d, e)), (attn + "W_V", (h, d, e)), (attn + "b_K", (h, e)),
            (attn + "b_V", (h, e)), (attn + "mask", (3, 3)), (attn + "IGNORE", ()),
            (mlp + "W_in", (d, m)), (mlp + "b_in", (m,)), (mlp + "W_out", (m, d)),
            (mlp + "b_out", (d,)), ("unembed.W_U", (d, p)), ("unembed.b_U", (p,))]


def main(path, p, checkpoints, epochs):
    with zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
        names = archive.namelist()
        assert len(names) == len(set(names)), "a name twice"
        assert archive.testzip() is None, "a check sum"
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED and entry.filename.startswith("archive/")
            raw.seek(entry.header_offset + 26)
            name_len, extra_len = struct.unpack("<HH", raw.read(4))
            start = entry.header_offset + 30 + name_len + extra_len
            assert start % 64 == 0, f"{entry.filename} starts at {start}"
        assert archive.read("archive/version") == b"3\n"
        assert archive.read("archive/byteorder") == b"little"
        data = archive.read("archive/data.pkl")
        pickletools.dis(data, out=open("/dev/null", "w"))
        with archive.open("archive/data.pkl") as file:
            root = Machine(file).load()

        assert list(root) == KEYS, list(root)
        config = root["config"]
        assert type(config) is dict
        want = {"n_layers": 1, "n_ctx": 3, "normalization_type": None, "d_vocab": p + 1,
                "d_vocab_out": p, "act_fn": "relu", "device": "cpu"}
        assert want.items() <= config.items(), config
        assert {type(value) for value in config.values()} <= {int, str, bool, type(None)}

        def plain(value):
            parts = value.values() if type(value) is dict else value if type(value) is list else []
            return type(value) in (dict, list, int, float, str, bool, type(None)) and all(map(plain, parts))

        own = root["grokrun_config"]
        assert plain(own), own
        assert own["task"]["modulus"] == p and own["seeds"]["data"] is not None, own
        assert own["train"]["epochs"] >= epochs, own["train"]

        used = []

        def numbers(tensor):
            kind, key, count = tensor.storage
            code, width = TYPES[kind]
            used.append(f"archive/data/{key}")
            stored = archive.read(used[-1])
            assert len(stored) == width * count, (key, len(stored), count)
            return struct.unpack(f"<{count}{code}", stored)

        def check_model(state):
            shapes = [(name, tensor.size) for name, tensor in state.items()]
            assert shapes == model_shapes(p, config), shapes
            found = {name: numbers(tensor) for name, tensor in state.items()}
            assert found["blocks.0.attn.mask"] == (1, 0, 0, 1, 1, 0, 1, 1, 1)
            assert found["blocks.0.attn.IGNORE"] == (float("-inf"),)
            biases = ("attn.b_Q", "attn.b_K", "attn.b_V", "attn.b_O")
            assert not any(any(found["blocks.0." + b]) for b in biases)
            assert all(any(found[name]) for name in found if "W_" in name)
            return found

        last = check_model(root["model"])
        models = [check_model(state) for state in root["checkpoints"]]
        assert len(models) == checkpoints and models[-1] == last
        assert len(models) == 1 or models[0] != last
        steps = root["checkpoint_epochs"]
        assert len(steps) == checkpoints and steps == sorted(set(steps)) and steps[-1] == epochs
        for name in ("train_losses", "test_losses", "train_accs", "test_accs"):
            assert len(root[name]) == epochs and all(type(x) is float for x in root[name]), name
        split = [numbers(root[name]) for name in ("train_indices", "test_indices")]
        together = split[0] + split[1]
        assert len(set(together)) == len(together) and max(together) < p * p
        stored = {name for name in names if name.startswith("archive/data/")}
        assert stored == set(used) and len(used) == len(stored), "a storage is shared or unused"
    print(f"ok: {checkpoints} checkpoints, {len(names)} entries")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
