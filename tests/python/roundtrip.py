"""The full round trip with real torch and TransformerLens.

    python roundtrip.py probe                                 are the packages there?
    python roundtrip.py load FILE.pth LOGITS.f32 A B          ours, opened by the published snippet
    python roundtrip.py save FOLDER FILE.pth                  files as others write them, to import

`load` runs the usage snippet of the published model card and compares logits over the full grid with
ours, (p * p, p) float32. `save` makes a state_dict, a published dictionary, and the paper's layout of
the same model, and one with trained biases and its logits. Exits with 77 and a line that begins with
"skipped" where a package is missing.
"""
import sys

try:
    import numpy as np
    import torch
    import transformer_lens
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def version():
    from importlib.metadata import version
    return version("transformer-lens")


def build(checkpoint):
    """The model by TransformerLens: its own class up to 3.x, its bridge with its converter from 4 on."""
    if int(version().split(".")[0]) < 4:
        from transformer_lens import HookedTransformer
        model = HookedTransformer(checkpoint["config"])
        model.load_state_dict(checkpoint["model"])
    else:
        from transformer_lens.config import TransformerBridgeConfig
        from transformer_lens.conversion_utils import convert_tl_checkpoint
        from transformer_lens.model_bridge import TransformerBridge
        names = ("n_layers", "n_heads", "d_model", "d_head", "d_mlp", "act_fn", "normalization_type",
                 "d_vocab", "d_vocab_out", "n_ctx")
        config = TransformerBridgeConfig(architecture="TransformerLensNative",
                                         **{name: checkpoint["config"][name] for name in names})
        model = TransformerBridge.boot_native(config)
        model.load_state_dict(convert_tl_checkpoint(checkpoint["model"], config), strict=True)
    model.eval()
    return model


def grid(model, p):
    a = torch.arange(p)
    tokens = torch.stack([a.repeat_interleave(p), a.repeat(p), torch.full((p * p,), p)], 1)
    with torch.no_grad():
        parts = [model(part)[:, -1] for part in tokens.split(2048)]
    return torch.cat(parts).float()


def exact(checkpoint, p):
    """The logits over the full grid in float64, by the formulas of the model."""
    m = {name: x.double() for name, x in checkpoint["model"].items() if x.is_floating_point()}
    attn, mlp = "blocks.0.attn.", "blocks.0.mlp."
    a = torch.arange(p)
    tokens = torch.stack([a.repeat_interleave(p), a.repeat(p), torch.full((p * p,), p)], 1)
    x = m["embed.W_E"][tokens] + m["pos_embed.W_pos"]
    q = torch.einsum("nd,hde->nhe", x[:, 2], m[attn + "W_Q"])
    k, v = (torch.einsum("ntd,hde->nhte", x, m[attn + w]) for w in ("W_K", "W_V"))
    pattern = (torch.einsum("nhe,nhte->nht", q, k) / checkpoint["config"]["d_head"] ** 0.5).softmax(-1)
    mid = x[:, 2] + torch.einsum("nht,nhte,hed->nd", pattern, v, m[attn + "W_O"])
    post = (mid @ m[mlp + "W_in"] + m[mlp + "b_in"]).relu()
    return (mid + post @ m[mlp + "W_out"] + m[mlp + "b_out"]) @ m["unembed.W_U"]


def load(path, logits_path, a, b):
    # The published snippet.
    checkpoint = torch.load(path, map_location="cpu")
    model = build(checkpoint)
    p = checkpoint["config"]["d_vocab_out"]
    with torch.no_grad():
        answer = model(torch.tensor([[a, b, p]]))[0, -1].argmax().item()
    print(f"{a} x {b} mod {p} -> {answer}")
    assert answer == a * b % p, f"expected {a * b % p}"
    ours = torch.from_numpy(np.fromfile(logits_path, dtype="<f4").reshape(p * p, p).copy())
    theirs = grid(model, p)
    difference = (ours - theirs).abs().max().item()
    scale = theirs.abs().max().item()
    print(f"logits: largest difference {difference:.2e}, largest logit {scale:.1f}, "
          f"relative to it {difference / scale:.1e}; torch {torch.__version__}, transformer-lens {version()}")
    # 1e-5, but for logits so large that float32 itself is no finer: a part in a million of the largest.
    assert difference <= max(1e-5, 1e-6 * scale), "logits differ"
    true = exact(checkpoint, p)
    mine, other = ((x.double() - true).abs().max().item() for x in (ours, theirs))
    print(f"from float64: ours {mine:.2e}, theirs {other:.2e}")
    assert mine <= max(1e-5, 2 * other), "ours is further from float64 than TransformerLens is"
    assert len(checkpoint["checkpoints"]) == len(checkpoint["checkpoint_epochs"])


def save(folder, path):
    checkpoint = torch.load(path, map_location="cpu")
    # Others do not write it.
    del checkpoint["grokrun_config"]
    state, p = checkpoint["model"], checkpoint["config"]["d_vocab_out"]
    torch.save(state, f"{folder}/plain.pth")
    torch.save({f"_orig_mod.module.{name}": x for name, x in state.items()}, f"{folder}/wrapped.pth")
    # As the demo writes it: OrderedDicts of parameters, numpy numbers among the losses, a config object.
    from collections import OrderedDict
    demo = dict(checkpoint)
    demo["model"] = OrderedDict((k, torch.nn.Parameter(v, v.is_floating_point()) if "W_" in k else v)
                                for k, v in state.items())
    demo["train_losses"] = [np.float64(x) for x in checkpoint["train_losses"]]
    demo["test_losses"] = np.array(checkpoint["test_losses"])
    demo["train_accs"] = torch.tensor(checkpoint["train_accs"], dtype=torch.float64)
    demo["checkpoint_epochs"] = np.array(checkpoint["checkpoint_epochs"])
    if int(version().split(".")[0]) < 4:
        from transformer_lens import HookedTransformerConfig
        demo["config"] = HookedTransformerConfig(**checkpoint["config"])
    torch.save(demo, f"{folder}/demo.pth")

    def paper(state):
        out = {"embed.W_E": state["embed.W_E"].T, "pos_embed.W_pos": state["pos_embed.W_pos"],
               "blocks.0.attn.W_O": state["blocks.0.attn.W_O"].flatten(0, 1).T,
               "blocks.0.mlp.W_in": state["blocks.0.mlp.W_in"].T,
               "blocks.0.mlp.b_in": state["blocks.0.mlp.b_in"],
               "blocks.0.mlp.W_out": state["blocks.0.mlp.W_out"].T,
               "blocks.0.mlp.b_out": state["blocks.0.mlp.b_out"],
               "blocks.0.attn.mask": torch.tril(torch.ones(3, 3)),
               # 114 outputs: the last, for '=', is never right.
               "unembed.W_U": torch.cat([state["unembed.W_U"], torch.zeros(len(state["unembed.W_U"]), 1)], 1)}
        for name in "QKV":
            out[f"blocks.0.attn.W_{name}"] = state[f"blocks.0.attn.W_{name}"].transpose(1, 2)
        return out

    full = {"epochs": checkpoint["checkpoint_epochs"],
            "state_dicts": [paper(s) for s in checkpoint["checkpoints"]],
            "train_losses": checkpoint["train_losses"], "test_losses": checkpoint["test_losses"][::10]}
    torch.save(full, f"{folder}/full_run_data.pth")

    # Trained biases, and what TransformerLens makes of them.
    biased = dict(checkpoint)
    generator = torch.Generator().manual_seed(1)
    biased["model"] = dict(state)
    for name in ("blocks.0.mlp.b_in", "blocks.0.mlp.b_out"):
        biased["model"][name] = 0.05 * torch.randn(state[name].shape, generator=generator)
    biased["checkpoints"], biased["checkpoint_epochs"] = [], []
    torch.save(biased, f"{folder}/biased.pth")
    grid(build(biased), p).numpy().astype("<f4").tofile(f"{folder}/biased.f32")
    print(f"saved by torch {torch.__version__}, transformer-lens {version()}")


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        print(f"torch {torch.__version__}, transformer-lens {version()}")
    elif sys.argv[1] == "load":
        load(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        save(*sys.argv[2:])
