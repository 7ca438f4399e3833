"""Makes a TransformerLens model of a cell's weights.

Owns what differs between TransformerLens 3 and 4. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from ._optional import need
from ._safetensors import Array
from .errors import NotThere

#: Of a configuration, what version 4's native models have no use for: weights are loaded.
_OTHERS = ("init_weights", "seed")


def state_dict(weights: Mapping[str, Array]) -> dict[str, Any]:
    """The weights as float32 torch tensors by TransformerLens's names."""
    torch = need("torch", "A state_dict")
    return {name: torch.from_numpy(np.array(x, np.float32)) for name, x in weights.items()}


def hooked_transformer(config: Mapping[str, Any], weights: Mapping[str, Array]) -> Any:
    """A TransformerLens model that computes what the cell does, in evaluation mode, on the CPU.

    A HookedTransformer up to version 3; version 4 has none, and gives its TransformerBridge.
    """
    own = config.get("hooked_transformer_config")
    if own is None:
        raise NotThere(
            f"{config['cell']}: TransformerLens has no such model (it has where config.json has "
            "hooked_transformer_config); `weights` has its tensors, doc/models.md its formulas"
        )
    lens = need("transformer_lens", "A TransformerLens model")
    state = state_dict(weights)
    newest = int(version("transformer-lens").split(".")[0])
    model = _hooked(lens, own, state) if newest < 4 else _bridged(own, state)
    return model.eval()


def _hooked(lens: Any, own: Mapping[str, Any], state: dict[str, Any]) -> Any:
    settings = {**own, "device": "cpu", "init_weights": False}
    model = lens.HookedTransformer(lens.HookedTransformerConfig(**settings))
    # Masks and the like are buffers of the class, not weights of the cell.
    missing, unexpected = model.load_state_dict(state, strict=False)
    parameters = {name for name, _ in model.named_parameters()}
    lost = [name for name in missing if name in parameters]
    if lost or unexpected:
        raise NotThere(
            f"TransformerLens expected {lost} too, and did not expect {list(unexpected)}"
        )
    return model


def _bridged(own: Mapping[str, Any], state: dict[str, Any]) -> Any:
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.conversion_utils import convert_tl_checkpoint
    from transformer_lens.model_bridge import TransformerBridge

    settings = {name: value for name, value in own.items() if name not in _OTHERS}
    config = TransformerBridgeConfig(architecture="TransformerLensNative", **settings)
    model = TransformerBridge.boot_native(config)
    model.load_state_dict(convert_tl_checkpoint(state, config), strict=True)
    return model
