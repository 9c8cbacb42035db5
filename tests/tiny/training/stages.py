"""The stages in their order, with the steps each may take."""

from __future__ import annotations

from . import card, clips, flow, vae
from .run import Run

PLAIN = vae.Phase("vae_plain", 190_000, 800, 6e-4, ((16, 1), (2, 9), (2, 17)))
SHARPER = vae.Phase("vae_decoder", 210_000, 800, 3e-4, ((2, 17),), branches=True, decoder=True)
COUNTS = {17: 4000, 33: 600, 49: 200, 81: 450}
HIGH_FROM, LOW_TO = 0.86, 0.93  # each expert knows a little beyond the boundary, which is 0.9
HEARD_FROM = 0.8  # where words still decide the way that a shape goes
LATER = flow.RATE * 0.8
TASKS = {
    "trunk": flow.Task("trunk", True, 4200),
    "low_shown": flow.Task("low_shown", True, 3100, (0.0, LOW_TO), LATER, begin="trunk"),
    "low": flow.Task("low", True, 1300, (0.0, LOW_TO), LATER, begin="low_shown", between=0.4),
    "high_shown": flow.Task("high_shown", True, 2000, (HIGH_FROM, 1.0), LATER, begin="trunk"),
    "high_begun": flow.Task(
        "high_begun", True, 2300, (HEARD_FROM, 1.0), LATER, begin="high_shown", begun=1.0, none=0.2
    ),
    "high_mixed": flow.Task(
        "high_mixed", True, 1400, (HEARD_FROM, 1.0), LATER, begin="high_begun", begun=0.4, none=0.15
    ),
    "high": flow.Task(
        "high", True, 1500, (HEARD_FROM, 1.0), LATER, begin="high_mixed", begun=0.3, between=0.3, none=0.15
    ),
    "t2v": flow.Task("t2v", False, 2600, (0.0, 1.0), LATER, begin="high_mixed"),
}


def autoencoder(run: Run) -> None:
    """Encoder and decoder; from here on the latents are what they are."""
    if run.tensors("vae") is None:
        weights = run.tensors(PLAIN.name) or run.keep(PLAIN.name, vae.train(run, PLAIN, None))
        run.keep("vae", vae.balanced(vae.network(weights)))
    run.say(f"round trip {vae.quality(vae.network(run.tensors('vae')), range(900_000, 900_012)):.2f} dB")


def decoder(run: Run) -> None:
    """The decoder alone learns on; this may run beside the flow models, which see latents only."""
    if run.tensors("vae_sharp") is None:
        learnt = vae.train(run, SHARPER, run.tensors("vae"))
        run.keep("vae_sharp", {name: tensor.half() for name, tensor in learnt.items()})
    run.say(f"round trip {vae.quality(vae.network(run.tensors('vae_sharp')), range(900_000, 900_012)):.2f} dB")


def latents(run: Run) -> None:
    clips.make(run, COUNTS, workers=2)


class Loader:
    """The cached clips with everything a batch needs; made anew only when there are more of them."""

    def __init__(self, run: Run):
        self.run, self.files, self.data, self.words = run, 0, None, {}

    def __call__(self) -> flow.Data:
        files = len(list((self.run.folder / "clips").glob("*.pt")))
        if files != self.files:
            found = clips.load(self.run)
            texts = {text for items in found.values() for item in items for text in item["captions"]} | {""}
            self.words |= clips.embeddings(texts - set(self.words))
            grey = clips.grey(vae.network(self.run.tensors("vae")), found)
            self.files, self.data = files, flow.Data(found, grey, self.words, clips.LENGTHS)
        return self.data


def model(name: str):
    def stage(run: Run) -> None:
        if run.tensors(name) is None:
            run.keep(name, flow.train(run, TASKS[name], Loader(run)))

    return stage


def ship(run: Run) -> None:
    """Weights and card into tests/tiny/weights/; the losses are of clips made for this alone."""
    unseen = Run(run.folder / "unseen")
    unseen.keep("vae", run.tensors("vae"))
    clips.make(unseen, {17: 50}, workers=1, first=8_000_000)
    card.write(run, TASKS, COUNTS, Loader(unseen)())


STAGES = {
    "vae": autoencoder,
    "clips": latents,
    "decoder": decoder,
    **{name: model(name) for name in TASKS},
    "ship": ship,
}


def run(run: Run, wanted: list[str] | None) -> None:
    for name, stage in STAGES.items():
        if wanted is None or name in wanted:
            stage(run)
