"""The last stage: the weights into tests/tiny/weights/, and a card that says what they are."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from pathlib import Path

from .. import trained, world
from . import clips, flow, vae
from .run import Run

LEVELS = (0.95, 0.8, 0.5, 0.2)
SOURCES = {trained.HIGH: "high", trained.LOW: "low", trained.T2V: "t2v", trained.VAE: "vae_sharp"}
TEXT = """# The trained tiny models

They draw the small world of `../world.py`: coloured shapes that glide, and a figure that waves and speaks, 64x64 at 17
to 81 frames. Tests and the demo use them; they are of no use for anything else. Made by `../train.py`.

{table}

- **Architecture.** `world_vae`: Wan 2.1's VAE of width 8. `world_i2v_*`: Wan 2.2's I2V pair (36 channels in), boundary
  0.9; `world_t2v`: 16 channels in; all of width {dim}, {layers} layers, {heads} heads,
  feed-forward {ffn}. The text encoder is UMT5's format with computed weights
  (`../world_text.py`); `spiece.model` is its tokenizer.
- **Data.** Drawn from seeds, nothing else: {clips}. Each clip has {takes} choices of key pictures (1 to 5 anywhere, exact or
  held, strength 0.1 to 1, one in five inside a mask). {held} combinations of colour, shape and direction are in no clip.
- **Steps and rates.** {steps}.
- **Order.** The VAE as a whole, then the clips as latents, then the image-to-video trunk; both experts go on from the
  trunk. The low-noise expert ends with pictures inside latent frames, where they are hardest to keep. The high-noise
  expert has a phase with the first frame alone (high_begun), so that the words decide the way and the speed, then all
  kinds mixed, then those and pictures inside latent frames. Text to video goes on from high_mixed. The decoder learnt on
  alone beside them, on latents that no longer changed. The VAE learnt with AdamW in float32, the transformers with Muon
  for the blocks' matrices and AdamW for the rest under bfloat16 autocast; all weights are running averages.
- **Loss** on clips no model has seen, {examples} of them, at noise levels {levels}:
{losses}
- **Round trip** of the VAE on clips it has not seen: {psnr:.2f} dB.
- **Time**: {hours:.1f} hours on {machine}, PyTorch {torch}.
{remarks}- **Licence**: that of the project. Nothing in them comes from anyone's pictures.
"""
REMARKS = "remarks.txt"  # in the working folder: what a reader must know of this run, if anything


def write(run: Run, tasks: dict[str, flow.Task], counts: dict[int, int], data: flow.Data) -> None:
    """Copies and describes; needs every other stage done."""
    import torch

    trained.FOLDER.mkdir(exist_ok=True)
    rows = ["| file | MB | sha256 |", "|---|---|---|"]
    for name, stage in SOURCES.items():
        shutil.copyfile(run.folder / f"{stage}.safetensors", trained.FOLDER / name)
        rows.append(_row(trained.FOLDER / name))
    rows.append(_row(trained.FOLDER / "spiece.model"))
    losses = []
    for name, task in (("high", "trunk"), ("low", "trunk"), ("t2v", "t2v")):
        found = flow.held_out_loss(run.tensors(name), tasks[task], data, list(LEVELS))
        losses.append(f"  `{name}` " + ", ".join(f"{value:.3f}" for value in found))
    net = vae.network(run.tensors("vae_sharp"))
    text = TEXT.format(
        table="\n".join(rows), dim=flow.DIM, layers=flow.LAYERS, heads=flow.HEADS, ffn=flow.FFN,
        clips=", ".join(f"{count} clips of {frames} frames" for frames, count in counts.items()), takes=clips.TAKES,
        held=len(world.HELD_OUT), steps=_steps(run, tasks), examples=64, levels=", ".join(map(str, LEVELS)),
        losses="\n".join(losses), psnr=vae.quality(net, range(900_000, 900_024)), hours=_seconds(run) / 3600,
        machine=platform.processor() or platform.machine(), torch=torch.__version__, remarks=_remarks(run),
    )  # fmt: skip
    (trained.FOLDER / "card.md").write_text(text, encoding="utf-8")


def _row(path: Path) -> str:
    data = path.read_bytes()
    return f"| `{path.name}` | {len(data) / 1e6:.2f} | `{hashlib.sha256(data).hexdigest()}` |"


def _steps(run: Run, tasks: dict[str, flow.Task]) -> str:
    last = {line["stage"]: line for line in _log(run)}
    return "; ".join(f"{name} {line['step']}, last loss {line['loss']:.3f}" for name, line in last.items())


def _log(run: Run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def _remarks(run: Run) -> str:
    path = run.folder / REMARKS
    return f"- **Remarks**: {path.read_text(encoding='utf-8').strip()}\n" if path.exists() else ""


def _seconds(run: Run) -> float:
    """Of all stages; a stage that was stopped counts from where it went on, too."""
    total, last = 0.0, {}
    for line in _log(run):
        before = last.get(line["stage"], 0)
        total += line["seconds"] - before if line["seconds"] > before else line["seconds"]
        last[line["stage"]] = line["seconds"]
    return total
