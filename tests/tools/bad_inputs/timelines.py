"""Timelines: the JSON of programs."""

from __future__ import annotations

from .row import Row, entry, image, picture, timeline

TIMELINES = [
    Row("a timeline that is no JSON", lambda b: b.af(timeline="frame 40: a.png"), "timeline", "Clear it"),
    Row("a timeline without keyframes", lambda b: b.af(timeline='{"version": 1}'), "timeline", '"keyframes": []'),
    Row("a timeline that is a list", lambda b: b.fflf(timeline="[]"), "timeline", '"keyframes": []'),
    Row("a timeline of another version", lambda b: b.af(timeline=timeline(version=2)), "timeline", "update the pack"),
    Row("no frame", lambda b: b.af(timeline=timeline({"image": image("a.png")})), "timeline keyframe 1", '"frame": 40'),
    Row("a frame in words", lambda b: b.af(timeline=entry(frame="4")), "timeline keyframe 1", '"frame": 40'),
    Row("a broken frame", lambda b: b.af(timeline=entry(frame=4.5)), "timeline keyframe 1", '"frame": 40'),
    Row("a frame that is true", lambda b: b.af(timeline=entry(frame=True)), "timeline keyframe 1", '"frame": 40'),
    Row(
        "a frame outside", lambda b: b.af(timeline=entry(frame=40)), "timeline keyframe 1 frame_index", "from 0 to 16",
    ),
    Row("a strength in words", lambda b: b.af(timeline=entry(strength="1")), "timeline keyframe 1 strength", "(exact)"),
    Row("a strength of 2", lambda b: b.af(timeline=entry(strength=2)), "timeline keyframe 1 strength", "(exact)"),
    Row("pixels for a file", lambda b: b.af(timeline=entry(image="data:")), "timeline keyframe 1", '"subfolder": ""'),
    Row("a mask of no file", lambda b: b.af(timeline=entry(mask="m.png")), "timeline keyframe 1", "as the image is"),
    Row(
        "a file that is gone", lambda b: b.af(timeline=entry(image=image("gone.png"))),
        "timeline keyframe 1 image", "choose the picture again",
    ),
    Row(
        "a file above the folder", lambda b: b.af(timeline=entry(image=image("../good.png"))),
        "timeline keyframe 1 image", "Put the file into",
    ),
    Row(
        "a folder above the folder", lambda b: b.af(timeline=entry(image=image("good.png", subfolder="../input_2"))),
        "timeline keyframe 1 image", "Put the file into",
    ),
    Row(
        "an absolute file", lambda b: b.af(timeline=entry(image=image(str(b.base / "outside.png")))),
        "timeline keyframe 1 image", "Put the file into",
    ),
    Row(
        "an unknown folder", lambda b: b.af(timeline=entry(image=image("good.png", type="models"))),
        "timeline keyframe 1 image", "input, output, temp",
    ),
    Row(
        "a text file as picture", lambda b: b.af(timeline=entry(image=image("text.png"))),
        "timeline keyframe 1 image", "Save it as PNG or JPEG.",
    ),
    Row(
        "half a picture", lambda b: b.af(timeline=entry(image=image("half.png"))),
        "timeline keyframe 1 image", "Save it as PNG or JPEG.",
    ),
    Row(
        "a black picture as mask", lambda b: b.af(timeline=entry(mask=image("black.png"))),
        "timeline keyframe 1 mask", "invert the mask",
    ),
    Row(
        "a keyframe in the middle of First + Last", lambda b: b.fflf(timeline=entry(frame=4)),
        "timeline keyframe 1 frame", "Arbitrary Keyframes",
    ),
    Row(
        "a first picture by wire and by timeline", lambda b: b.fflf(first_image=picture(), timeline=entry(frame=0)),
        "keyframes", "Move one of them",
    ),
    Row("a misspelt key", lambda b: b.af(timeline=entry(strenght=0.5)), "timeline keyframe 1", "Use only frame, image"),
    Row(
        "a misspelt folder", lambda b: b.af(timeline=entry(image=image("good.png", subfoldr="a"))),
        "timeline keyframe 1", '"subfolder": ""',
    ),
    Row(
        "a name no file can have", lambda b: b.af(timeline=entry(image=image("a\0.png"))),
        "timeline keyframe 1 image", "Choose the picture again.",
    ),
    Row(
        "a folder type that is a list", lambda b: b.af(timeline=entry(image=image("good.png", type=[]))),
        "timeline keyframe 1 image", "input, output, temp",
    ),
    Row("a timeline without end", lambda b: b.af(timeline="[" * 100_000), "timeline", "Clear it"),
    Row("a number of 5000 digits", lambda b: b.af(timeline="9" * 5000), "timeline", "Clear it"),
    Row("a frame of 400 digits", lambda b: b.af(timeline=entry(frame=10**400)), "timeline keyframe 1 frame_index", "16"),
    Row("a strength of 400 digits", lambda b: b.af(timeline=entry(strength=10**400)), "timeline keyframe 1 strength", "0"),
]  # fmt: skip
