"""The bad-input table in process: every row is an error that names input and remedy, before any work is done."""

from __future__ import annotations

import wave
from io import BytesIO
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import files
from genga_tests.tools.bad_inputs import FAMILIES
from genga_tests.tools.bad_inputs.bench import Bench
from genga_tests.tools.bad_inputs.row import Row, entry, ones, picture
from PIL import Image

ROWS = [pytest.param(row, id=f"{family}-{row.name}") for family, rows in FAMILIES.items() for row in rows]


@pytest.fixture(scope="module")
def bad_files(models, host):
    """Files that are not what their names say, gone again after the module."""
    made = []

    def put(path, content: bytes) -> None:
        path.write_bytes(content)
        made.append(path)

    kinds = {name: models / name for name in ("diffusion_models", "checkpoints", "vae", "text_encoders")}
    model = (kinds["diffusion_models"] / files.I2V_LOW).read_bytes()
    wan_vae = (kinds["vae"] / files.VAE).read_bytes()
    for name, content in {
        "text": b"not a model\nat all\n", "half": model[: len(model) // 2], "start": model[:100], "empty": b"",
        "page": b"<!DOCTYPE html><html>Log in</html>", "gguf": b"GGUF" + bytes(100), "vae": wan_vae,
        "text_encoder": (kinds["text_encoders"] / files.TEXT).read_bytes(),
    }.items():  # fmt: skip
        put(kinds["diffusion_models"] / f"{name}.safetensors", content)
    put(kinds["checkpoints"] / "model.safetensors", model)
    put(kinds["checkpoints"] / "merge_high.safetensors", model)
    put(kinds["checkpoints"] / "half.safetensors", (kinds["checkpoints"] / files.AIO_I2V).read_bytes()[:100_000])
    put(kinds["vae"] / "model.safetensors", model)
    put(kinds["text_encoders"] / "vae.safetensors", wan_vae)
    red = png("RGB", "red")
    for folder in (host.input, host.base / "input_2"):
        folder.mkdir(exist_ok=True)
        put(folder / "good.png", red)
    for outside in ("good.png", "outside.png"):
        put(host.base / outside, red)
    put(host.base / "text.mp4", b"not a video")
    put(host.base / "sound.wav", beep())
    put(host.input / "black.png", png("L", "black"))
    put(host.input / "half.png", red[: len(red) // 2])
    put(host.input / "text.png", b"not a picture")
    forget_lists()
    yield
    for path in made:
        path.unlink()
    (host.base / "input_2").rmdir()
    forget_lists()


def png(mode: str, colour: str) -> bytes:
    content = BytesIO()
    Image.new(mode, (32, 32), colour).save(content, "PNG")
    return content.getvalue()


def beep() -> bytes:
    content = BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    return content.getvalue()


def forget_lists() -> None:
    import folder_paths

    folder_paths.filename_list_cache.clear()


@pytest.fixture(scope="module")
def bench(bad_files, host, vae, prompts, load_model):
    with torch.inference_mode():
        made = Bench(host, vae, prompts, load_model)
        made.prepare()
    return made


@pytest.fixture
def work(bench, monkeypatch, tmp_path):
    """Names of the expensive things done since: pictures encoded, steps sampled, files loaded or written."""
    import comfy.model_base
    import comfy.samplers
    import comfy.sd
    import comfy.utils
    import folder_paths

    done = []

    def count(owner, name: str) -> None:
        inner = getattr(owner, name)

        def counted(*args, **kwargs):
            done.append(name)
            return inner(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    for vae in {id(v): v for v in (bench.vae, bench.aio("i2v").vae, bench.aio("mega").vae)}.values():
        count(vae, "encode")
    count(bench.aio("i2v").clip, "encode_from_tokens_scheduled")
    count(comfy.samplers.CFGGuider, "inner_sample")
    count(comfy.model_base.BaseModel, "apply_model")
    for name in ("load_diffusion_model", "load_checkpoint_guess_config", "load_clip", "VAE"):
        count(comfy.sd, name)
    count(comfy.utils, "load_torch_file")
    output = tmp_path / "output"
    output.mkdir()
    monkeypatch.setattr(folder_paths, "output_directory", str(output))
    return SimpleNamespace(done=done, output=output)


@pytest.mark.parametrize("row", ROWS)
def test_a_bad_input_names_itself_and_the_remedy_before_any_work(bench, work, row: Row):
    with pytest.raises(InputError) as caught:
        row.call(bench)
    error = caught.value
    start = f"{error.input_name}: {error.problem.rstrip('.')}. "
    assert error.input_name == row.input_name
    assert str(error).startswith(start)
    assert row.remedy in str(error).removeprefix(start)
    assert work.done == []
    assert list(work.output.rglob("*")) == []


def test_the_table_is_wide_enough():
    assert len({row.id for row in ROWS}) == len(ROWS) >= 40
    assert all(len(rows) >= 5 for rows in FAMILIES.values())


RIGHT = {
    "encode": lambda b: b.fflf(first_image=picture(), length=5),
    "encode_from_tokens_scheduled": lambda b: b.prompt(),
    "inner_sample": lambda b: b.sample(),
    "apply_model": lambda b: b.sample(),
    "load_diffusion_model": lambda b: b.wan(),
    "load_torch_file": lambda b: b.wan(),
    "load_clip": lambda b: b.anisora(),
    "VAE": lambda b: b.anisora(),
    "load_checkpoint_guess_config": lambda b: b.phr00t(files.AIO_T2V),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_inputs_do_the_work_that_is_counted(bench, work, name):
    """Else an empty list above would prove nothing."""
    RIGHT[name](bench)
    assert name in work.done


def test_right_frames_are_written_where_the_rows_look(bench, work):
    bench.save()
    assert {path.suffix for path in work.output.rglob("*") if path.is_file()} >= {".mp4"}


def test_every_row_is_made_from_a_right_call(bench, work):
    """The timeline the rows change is right as it is."""
    assert bench.af(timeline=entry()).args[2]["samples"].shape == (1, 16, 5, 4, 4)
    assert bench.key(mask=ones()) is not None
