"""The timeline's state: its own tests in Node, and that it snaps frames exactly as the node does."""

from __future__ import annotations

import json
import subprocess

import genga.conditioning.latent_time as latent_time
from genga_tests.tools import pack

GRID = pack.pack_folder() / "web" / "js" / "timeline" / "grid.js"
LENGTHS = (1, 5, 9, 53, 77, 81, 121)
# The text is imported, not the file: only newer Nodes take a .js file for a module where no package.json says so.
SCRIPT = """
const text = (await import('node:fs')).readFileSync(process.argv[1], 'utf8')
const { snapFrame, roundLength, latentOf } = await import('data:text/javascript,' + encodeURIComponent(text))
const lengths = JSON.parse(process.argv[2])
const snapped = lengths.map((length) => ['none', 'latent', 'anisora'].map((snap) =>
  Array.from({ length }, (_, frame) => snapFrame(frame, length, snap))))
const count = Array.from({ length: 200 }, (_, i) => i + 1)
console.log(JSON.stringify({ snapped, lengths: count.map(roundLength), latents: count.map(latentOf) }))
"""


def test_its_own_tests_pass(chromium):
    command = [chromium.node, "node_modules/vitest/vitest.mjs", "run", "--reporter=dot"]
    done = subprocess.run(command, cwd=chromium.folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_snaps_as_the_node_does(chromium):
    command = [chromium.node, "--input-type=module", "-e", SCRIPT, str(GRID), json.dumps(LENGTHS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    found = json.loads(done.stdout)
    expected = [
        [[latent_time.snap_frame(frame, length, snap) for frame in range(length)] for snap in latent_time.SNAPS]
        for length in LENGTHS
    ]
    assert found["snapped"] == expected
    assert found["lengths"] == [latent_time.round_length(n) for n in range(1, 201)]
    assert found["latents"] == [latent_time.latent_of(n) for n in range(1, 201)]
