"""What the stages share: a folder with what is done so far, and lines that say how far it is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

SAY = 25  # steps between two lines


class Run:
    """Checkpoints in ``folder``, so that a stage goes on where it stopped; losses for the card in ``log``."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.recent: list[float] = []

    def load(self, name: str) -> dict | None:
        """What ``save`` wrote last, or None."""
        path = self.folder / f"{name}.ckpt"
        return torch.load(path, weights_only=True) if path.exists() else None

    def save(self, name: str, state: dict) -> None:
        part = self.folder / f"{name}.part"
        torch.save(state, part)
        os.replace(part, self.folder / f"{name}.ckpt")

    def note(self, stage: str, step: int, total: int, loss: float, begun: float) -> None:
        """One line every SAY steps: the mean loss since the last, kept for the card, too."""
        self.recent.append(loss)
        if (step + 1) % SAY and step + 1 < total:
            return
        mean = sum(self.recent) / len(self.recent)
        self.recent = []
        line = {"stage": stage, "step": step + 1, "loss": round(mean, 5), "seconds": round(time.monotonic() - begun)}
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        print(f"[{stage}] step {step + 1} of {total}: loss {mean:.4f}, {line['seconds']} s", flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)

    def tensors(self, name: str) -> dict[str, torch.Tensor] | None:
        path = self.folder / f"{name}.safetensors"
        return load_file(path) if path.exists() else None

    def keep(self, name: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        part = self.folder / f"{name}.tmp"
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, part)
        os.replace(part, self.folder / f"{name}.safetensors")
        return tensors
