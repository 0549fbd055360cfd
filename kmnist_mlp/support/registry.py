"""Tables that other modules hold on to: not reloaded when the file that fills them is edited."""

from __future__ import annotations

from typing import Any

ACTIVATIONS: dict[str, Any] = {}  # filled by kmnist_mlp.activations
