"""Videos, sound and names that cannot be saved."""

from __future__ import annotations

import torch

from .row import BYTES, NAN, Row, picture

SAVING = [
    Row("nothing to save", lambda b: b.save(images=None), "images, video", "Wire either images or video."),
    Row("two things to save", lambda b: b.save(video=object()), "images, video", "Wire either images or video."),
    Row("frames with alpha", lambda b: b.save(images=picture(2, 32, 32, 4)), "images", "Split Image with Alpha"),
    Row("frames of one channel", lambda b: b.save(images=picture(2, 32, 32, 1)), "images", "Give RGB pictures"),
    Row("no frames", lambda b: b.save(images=picture(0, 32, 32, 3)), "images", "at least one frame"),
    Row("frames of NaN", lambda b: b.save(images=picture() * NAN), "images", "--fp32-vae"),
    Row("frames of whole numbers", lambda b: b.save(images=picture().to(torch.uint8)), "images", "Wire an IMAGE."),
    Row("a rate factor of 101", lambda b: b.save(crf=101), "crf", "0 to 100"),
    Row("a negative rate factor", lambda b: b.save(crf=-1), "crf", "0 to 100"),
    Row("0 frames per second", lambda b: b.save(fps=0.0), "fps", "more than 0"),
    Row("NaN frames per second", lambda b: b.save(fps=NAN), "fps", "more than 0"),
    Row("an unknown format", lambda b: b.save(format="avi"), "format", "Choose "),
    Row("no name", lambda b: b.save(" "), "filename_prefix", "like i2v/my_video"),
    Row("a name above the folder", lambda b: b.save("i2v/../../video"), "filename_prefix", "inside ComfyUI's output"),
    Row("an absolute name", lambda b: b.save(str(b.base / "video")), "filename_prefix", "inside ComfyUI's output"),
    Row("a name on another drive", lambda b: b.save("D:\\video"), "filename_prefix", "inside ComfyUI's output"),
    Row("a name with a question mark", lambda b: b.save("what?"), "filename_prefix", "Leave it out."),
    Row("sound without samples", lambda b: b.save(audio=b.sound(1, 0)), "audio", "Disconnect it"),
    Row("sound of three channels", lambda b: b.save(audio=b.sound(3, 100)), "audio", "mono, stereo or 5.1"),
    Row("frames in 0..255", lambda b: b.save(images=BYTES), "images", "convert them from 0..255"),
    Row("frames in -1..1", lambda b: b.save(images=picture() * 2 - 1), "images", "or -1..1"),
    Row("a video that is gone", lambda b: b.save(images=None, video=b.video("gone.mp4")), "video", "can be played"),
    Row("a text file as video", lambda b: b.save(images=None, video=b.video("text.mp4")), "video", "can be played"),
    Row("a sound as video", lambda b: b.save(images=None, video=b.video("sound.wav")), "video", "can be played"),
    Row("a name as video", lambda b: b.save(images=None, video="a.mp4"), "video", "Wire a VIDEO."),
]
