"""What key pictures, masks, score, words, experts, windows and solvers do, on the trained models in tests/tiny/weights.

No claim about real weights: a model that is really trained answers here, though, and not a formula, so that strength,
mask and score can be seen to act. Prints tables; pictures lie in .dev/behaviour/. GENGA_COMFYUI names the host; about
ten minutes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
HOST = os.environ.get("GENGA_COMFYUI", "")
OUT = ROOT / ".dev" / "behaviour"
PLACES = (0, 3, 4, 7, 8, 10, 13, 16)
SOLVERS = (("euler", 8), ("euler", 30), ("uni_pc", 8), ("res_2m", 8), ("genga", 8), ("genga", 15), ("res_5s", 15))


def prepare(base: Path) -> None:
    """Host, pack, tests' tools and trained models."""
    spec = importlib.util.spec_from_file_location("genga_bootstrap", ROOT / "tests" / "tools" / "pack.py")
    pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    pack.alias_tests()
    from genga_tests.tools import host

    host.aim(Path(HOST), base)
    pack.load_package("genga", pack.pack_folder())
    pack.load_package("tiny", ROOT / "tests" / "tiny")
    host.boot(Path(HOST), base)
    from tiny import trained

    trained.install(base / "models")


def fidelity(studio) -> None:
    """PSNR of the key picture's frame against the VAE's round trip of the picture, by strength, mode and place."""
    from genga_tests.tools import world_checks as checks

    kept = checks.fidelity(studio, range(100, 104), PLACES)
    print("\nkey picture at its frame: PSNR in dB against the round trip of the picture")
    print(f"{'strength':<12}" + "".join(f"{strength:>8g}" for strength in checks.STRENGTHS))
    lines = {}
    for mode in ("exact", "hold"):
        found = checks.by_strength(kept, mode)
        lines[mode] = list(found.values())
        print(f"{mode:<12}" + "".join(f"{level:>8.1f}" for level in lines[mode]))
    print(f"{'frame':<12}" + "".join(f"{place:>8}" for place in PLACES) + "   (strength 1)")
    full = [each for each in kept if each.strength == 1.0]
    for mode in ("exact", "hold"):
        at = [checks.mean(e.near for e in full if (e.frame, e.mask_mode) == (place, mode)) for place in PLACES]
        print(f"{mode:<12}" + "".join(f"{level:>8.1f}" for level in at))
    lost = checks.mean(each.limit - each.found for each in full)
    print(f"against the picture itself, strength 1 loses {lost:.2f} dB of the round trip's {full[0].limit:.1f}")
    chart(OUT / "strength.png", "dB by strength: exact (orange), hold (blue)", checks.STRENGTHS, lines)


def masks(studio) -> None:
    from genga_tests.tools import world_checks as checks

    found = [checks.localized(studio, seed) for seed in range(100, 108)]
    inside, whole, asked, hidden = (
        checks.mean(getattr(each, name) for each in found) for name in ("inside", "whole", "asked", "hidden")
    )
    print(f"\nmasked key picture: {inside:.1f} dB inside its mask ({whole:.1f} without a mask);")
    print(f"outside: {asked:.0f} pixels of what the prompt asks for, {hidden:.0f} of what the picture has there")


def motion(studio) -> None:
    from genga_tests.tools import world_checks as checks
    from tiny import world

    scores = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    found = checks.speeds(studio, scores, range(100, 108))
    print("\nmotion score: pixels a frame, measured and in the training clips")
    for score, speed in found.items():
        print(f"{score:>5g}{speed:>8.2f}{world.SLOWEST + world.FASTER * score:>8.2f}")
    chart(OUT / "motion.png", "pixels a frame by motion score", scores, {"exact": list(found.values())})


def words(studio) -> None:
    from genga_tests.tools import world_checks as checks

    print("\ncaptions with combinations never trained, 50 each")
    for begun, what in ((True, "the pair, first frame given"), (False, "text to video")):
        told = checks.adherence(studio, range(100, 150), begun)
        right, colour, way = (
            sum(map(test, told))
            for test in (lambda e: e.right, lambda e: e.asked[0] == e.seen[0], lambda e: e.asked[1] == e.seen[1])
        )
        print(f"{what:<30} both right {right}, colour {colour}, direction {way}")


def experts(studio) -> None:
    from genga_tests.tools import world_checks as checks

    pair, high, low = checks.losses_of_experts(studio, 48)
    print(f"\nloss on unseen clips: pair {pair:.4f}, high-noise expert alone {high:.4f}, low-noise alone {low:.4f}")


def windows(studio) -> None:
    from genga_tests.tools import world_checks as checks

    print("\nwindows of 17 frames: change from frame to frame in levels of 255, at a seam and within a window")
    for shared in (1, 5):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            found = [checks.seams(studio, seed, shared, Path(folder) / str(seed)) for seed in range(100, 106)]
        seam, within = (checks.mean(getattr(each, name) for each in found) for name in ("seam", "within"))
        print(f"{shared} shared{seam:>9.2f}{within:>9.2f}")


def solvers(studio) -> None:
    """How far a sampler's frames are from the exact ones of the same pair."""
    from genga_tests.tools import world_checks as checks

    print("\nframes against those of {} with {} steps, root mean square in levels of 255".format(*checks.EXACT))
    for (name, steps), off in checks.distances(studio, SOLVERS, range(100, 103)).items():
        print(f"{name:<10}{steps:>4} steps{off:>9.2f}")


def chart(path: Path, title: str, x, lines: dict[str, list[float]]) -> None:
    """A line chart; nothing but Pillow is needed."""
    from PIL import Image, ImageDraw

    colours = {"exact": "#e07a1f", "hold": "#2c6aa8"}
    low, high = (pick(v for line in lines.values() for v in line) for pick in (min, max))
    picture = Image.new("RGB", (480, 300), "white")
    pen = ImageDraw.Draw(picture)

    def place(a: float, b: float) -> tuple[float, float]:
        return 50 + 400 * (a - x[0]) / (x[-1] - x[0]), 260 - 210 * (b - low) / max(high - low, 1e-9)

    pen.text((20, 10), title, fill="black")
    pen.rectangle((50, 50, 450, 260), outline="#999")
    for value in x:
        pen.text((place(value, low)[0] - 8, 266), f"{value:g}", fill="black")
    for value in (low, high):
        pen.text((8, place(x[0], value)[1] - 6), f"{value:.1f}", fill="black")
    for name, line in lines.items():
        points = [place(a, b) for a, b in zip(x, line, strict=True)]
        pen.line(points, fill=colours[name], width=3)
    picture.save(path)


def main() -> int:
    if not HOST:
        sys.exit("run it with `python dev.py bench behaviour`, which names the host")
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as base, torch.inference_mode():
        prepare(Path(base))
        from genga_tests.tools.world_studio import Studio

        studio = Studio()
        for part in (fidelity, masks, motion, words, experts, windows, solvers):
            part(studio)
    print(f"\npictures: {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
