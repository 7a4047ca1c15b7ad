"""Learning rates that fall from layer to layer towards the input (Howard and Ruder 2018).

What a transformer knows of words lies in its lower layers, and what its vectors are for in the
upper ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torch import nn

from hexapla.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def layer_rates(
    loss: nn.Module, model: SentenceTransformer, rate: float, decay: float
) -> dict[str, float]:
    """Return learning rates as sentence-transformers' `learning_rate_mapping` takes them.

    Args:
        loss: The loss, which holds the encoder.
        model: The encoder.
        rate: Rate of the top layer and of what comes after it.
        decay: What the rate is multiplied by for each layer below, and once more for embeddings.

    Returns:
        A rate for each pattern of parameters' names within the loss.
    """
    layers = find_layers(model)
    names = {id(module): name for name, module in loss.named_modules()}
    prefixes = [names[id(layer)] for layer in layers]
    rates = {
        f"^{re.escape(prefix)}\\.": rate * decay ** (len(layers) - 1 - place)
        for place, prefix in enumerate(prefixes)
    }
    below = []
    # Parameters are listed in the order in which a text meets them.
    for name, _ in loss.named_parameters():
        if name.startswith(f"{prefixes[0]}."):
            break
        below.append(re.escape(name))
    if below:
        rates[f"^({'|'.join(below)})$"] = rate * decay ** len(layers)
    return rates


def find_layers(model: SentenceTransformer) -> nn.ModuleList:
    """Return the layers of an encoder's transformer.

    Raises:
        InputError: It has no list of as many modules as it has layers.
    """
    transformer = getattr(model[0], "auto_model", None)
    n_layers = getattr(getattr(transformer, "config", None), "num_hidden_layers", None)
    modules = transformer.modules() if transformer is not None else ()
    for module in modules:
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return module
    raise InputError(
        "layer_decay is set, and this encoder has no layers of which one follows the other; "
        "leave it out (--layer-decay 1)"
    )
