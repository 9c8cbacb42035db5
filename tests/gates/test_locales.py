"""The words of nodes and page in every language: complete, translated, and with what must not be translated left in place."""

from __future__ import annotations

import re

import pytest
from genga_tests.tools import pack

from devtools import words

FOLDER = pack.pack_folder() / "locales"
FILES = ("main.json", "nodeDefs.json")
PROSE = ("tooltip", "description")
# Words that are the same in the field's own speech everywhere, whatever their case.
SAME = {"genga", "vae", "clip", "cfg", "crf", "gpu", "fps", "eta", "s_noise", "latent", "sigmas"}
LETTERS = {"ja": "[\u3040-\u30ff\u4e00-\u9fff]", "zh": "[\u4e00-\u9fff]", "zh-TW": "[\u4e00-\u9fff]", "ru": "[а-яё]"}
# Four English words in a row are a sentence somebody forgot; "Wan 2.2 I2V" and "constant rate factor" are not.
ENGLISH_RUN = re.compile(r"(?:\b[A-Za-z]{2,}\b[ ,]+){3}\b[A-Za-z]{2,}\b")
# Characters that only one of the two ways to write Chinese has.
SIMPLIFIED, TRADITIONAL = (
    "这为们个帧时间图层对应从样会设见说长视频关键块与输张",
    "這為們個幀時間圖層對應從樣會設見說長視頻關鍵塊與輸張",
)
VALUE = re.compile(r"\{\w+\}")
COMPILED = re.compile(r"[{}@|]")  # the page compiles texts as messages, where these mean something


@pytest.fixture(scope="module")
def schemas(host):
    from genga.nodes import node_list

    return [node.GET_SCHEMA() for node in node_list()]


@pytest.fixture(scope="module")
def english(schemas):
    trees = words.english(schemas)
    return {(name, *path): text for name, tree in trees.items() for path, text in words.flat(tree).items()}


def language(code: str) -> words.Texts:
    return {(n, *path): text for n in FILES for path, text in words.flat(words.read(code, n, FOLDER)).items()}


@pytest.fixture(scope="module", params=words.OTHERS)
def translated(request):
    return request.param, language(request.param)


def named(paths) -> str:
    return "\n".join(".".join(path) for path in paths)


def test_english_is_what_the_nodes_say(english):
    written = language(words.ENGLISH)
    drifted = [path for path in english.keys() | written.keys() if english.get(path) != written.get(path)]
    assert not drifted, f"run devtools/words.py:\n{named(drifted)}"


def test_no_key_is_missing_or_left_over(translated, english):
    _, texts = translated
    assert not english.keys() - texts.keys(), named(english.keys() - texts.keys())
    assert not texts.keys() - english.keys(), named(texts.keys() - english.keys())


def test_nothing_is_left_in_english(translated, english):
    code, texts = translated
    same = [path for path, text in texts.items() if text.casefold() == english.get(path, "").casefold()]
    left = [path for path in same if texts[path].casefold() not in SAME]
    assert not left, named(left)
    foreign = [path for path, text in texts.items() if path[-1] != "name" and not speaks(code, text)]
    assert not foreign, named(foreign)
    runs = [f"{'.'.join(path)}: {found[0]}" for path, text in texts.items() if (found := ENGLISH_RUN.search(text))]
    assert not runs, "\n".join(runs)


def test_values_stand_in_the_sentences_of_the_page(translated, english):
    """{name} stands for a value: a translation has the same ones, or the page would show none, or a bare name."""
    _, texts = translated
    places = {path: sorted(VALUE.findall(text)) for path, text in english.items() if path[1] == "genga"}
    assert any(places.values())
    lost = [path for path, values in places.items() if sorted(VALUE.findall(texts.get(path, ""))) != values]
    assert not lost, named(lost)


def speaks(code: str, text: str) -> bool:
    return text.casefold() in SAME or re.search(LETTERS[code], text, re.IGNORECASE) is not None


@pytest.mark.parametrize("code, foreign", [("zh", TRADITIONAL), ("zh-TW", SIMPLIFIED)])
def test_the_two_ways_to_write_chinese_are_not_mixed(code, foreign):
    mixed = [path for path, text in language(code).items() if set(foreign) & set(text)]
    assert not mixed, named(mixed)


def test_code_words_and_numbers_stay(translated, english, schemas):
    _, texts = translated
    options = options_of(schemas)
    prose = {path: text for path, text in english.items() if path in texts and path[-1] in PROSE}
    lost = {path: missing(text, texts[path], options.get(path[1:4], [])) for path, text in prose.items()}
    assert not list(filter(None, lost.values())), "\n".join(
        f"{'.'.join(path)}: {what}" for path, what in lost.items() if what
    )


def options_of(schemas) -> dict[tuple[str, ...], list[str]]:
    """The values of every combo; files that lie in the models' folders are none of the test's."""
    return {
        (schema.node_id, "inputs", item.id): [value for value in item.options if isinstance(value, str)]
        for schema in schemas
        for item in schema.inputs
        if getattr(item, "options", None)
    }


def missing(text: str, translation: str, options: list[str]) -> list[str]:
    quoted = [value for value in options if whole(value, text)]
    return [word for word in (*code_words(text), *quoted) if not whole(word, translation)]


def whole(word: str, text: str) -> bool:
    """Whether the word is there by itself: 1 is not in 1.5, nor exact in exactly."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-]|\.\w)", text, re.ASCII) is not None


def code_words(text: str) -> list[str]:
    """Numbers, names of inputs, files and formats: what holds a digit, a sign or a capital inside."""
    bare = [re.sub(r"('s|(?<=[A-Z]{2})s)$", "", word.lstrip("\"'(").rstrip("\"'(),;:!?.")) for word in text.split()]
    return [word for word in bare if re.search(r"[0-9_%/]|\w[A-Z]|^--", word) and word != "/"]


def test_the_code_words_are_found():
    said = "Wan's LoRAs: 4n + 1 frames (81), from models/vae, unless first_image is -1. A VIDEO, too."
    assert code_words(said) == ["LoRA", "4n", "1", "81", "models/vae", "first_image", "-1", "VIDEO"]
    assert missing("snap: 4 or exact.", "привязка: 5 или exact", ["snap", "exact"]) == ["4", "snap"]


def test_nodes_are_called_by_their_translated_names(translated, english):
    """Where a text sends the reader to another node, it uses the name that the page shows."""
    _, texts = translated
    names = {path: short(text) for path, text in english.items() if path[-1] == "display_name"}
    lost = [
        f"{'.'.join(path)}: {name}"
        for path, text in english.items()
        for place, name in names.items()
        if path[-1] in PROSE and " " in name and name in text and not says(texts.get(path), texts.get(place))
    ]
    assert not lost, "\n".join(lost)


def says(text: str | None, name: str | None) -> bool:
    """Missing texts are for another test to tell."""
    return not text or not name or short(name).casefold() in text.casefold()


def short(name: str) -> str:
    return re.sub(r"\s*[(（].*", "", name)


def test_no_text_has_a_sign_that_the_page_would_read_as_code(english):
    everything = [
        (code, path, text) for code in (words.ENGLISH, *words.OTHERS) for path, text in language(code).items()
    ]
    compiled = [each for each in everything if each[1][0] == "nodeDefs.json" or each[1][1] == "nodeCategories"]
    found = [f"{code} {'.'.join(path)}" for code, path, text in compiled if COMPILED.search(text)]
    assert not found, "\n".join(found)


def test_a_changed_sentence_loses_its_translation_and_a_known_one_keeps_it():
    before = {("a", "tooltip"): "Width.", ("b", "tooltip"): "Height."}
    now = {("a", "tooltip"): "The width.", ("b", "tooltip"): "Height.", ("c", "tooltip"): "Height."}
    held = words.carried(before, now, {("a", "tooltip"): "幅。", ("b", "tooltip"): "高さ。"})
    assert held == {("b", "tooltip"): "高さ。", ("c", "tooltip"): "高さ。"}


def test_the_server_hands_the_words_to_the_page(server, translated):
    code, texts = translated
    served = server.get("/i18n")[code]
    given = words.flat({"nodeDefs.json": served.pop("nodeDefs"), "main.json": served})
    assert {path: text for path, text in texts.items() if given.get(path) != text} == {}


def test_every_node_has_a_help_page_that_names_its_inputs(schemas):
    """The page takes NodeId/ja.md or, where there is none, NodeId.md."""
    pages = FOLDER.parent / "web" / "docs"
    texts = [(pages / f"{schema.node_id}.md").read_text(encoding="utf-8") for schema in schemas]
    said = [
        (schema.node_id, item.id, text) for schema, text in zip(schemas, texts, strict=True) for item in schema.inputs
    ]
    unnamed = [f"{node}: {name}" for node, name, text in said if not whole(name, text)]
    assert not unnamed, "\n".join(unnamed)
