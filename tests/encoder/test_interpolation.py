"""Weights between two encoders, in place."""

from __future__ import annotations

import torch

from hexapla.encoder.interpolation import interpolate


def test_weights_that_have_two_names_move_once():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    aligned = {name: weight.clone() for name, weight in model.state_dict().items()}
    base = {name: torch.zeros_like(weight) for name, weight in aligned.items()}
    interpolate(base, model, 0.5)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, aligned[name] / 2)
