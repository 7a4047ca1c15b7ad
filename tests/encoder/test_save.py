"""Saving an encoder: whole or not loadable, and finished only with its record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from hexapla.encoder.save import save_encoder
from tests.fixtures.merging import records
from tests.fixtures.toy import toy_encoder
