"""The workshop's own tools, where they once failed."""

from __future__ import annotations

from genga_tests.tools import pack


def test_a_second_install_replaces_the_first_and_spares_what_a_link_leads_to(tmp_path):
    source, target = tmp_path / "source", tmp_path / "host" / "pack"
    source.mkdir()
    target.parent.mkdir()
    (source / "kept.txt").write_text("kept", encoding="utf-8")
    for _ in range(2):
        pack.install(source, target)
        assert (target / "kept.txt").read_text(encoding="utf-8") == "kept"
    pack.remove(target)
    assert not target.exists()
    assert (source / "kept.txt").exists()
