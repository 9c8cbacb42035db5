"""Sampler and Scheduler."""

from __future__ import annotations

from .row import NAN, Row

INFINITE = float("inf")

SOLVERS = [
    Row("a sampler that is none", lambda b: b.sampler("res_7s"), "sampler_name", "res_5s"),
    Row("no sampler", lambda b: b.sampler(None), "sampler_name", "Use one of genga"),
    Row("an eta above 1", lambda b: b.sampler(eta=1.5), "eta", "Use 0.0 to 1.0"),
    Row("an eta below 0", lambda b: b.sampler(eta=-0.1), "eta", "Use 0.0 to 1.0"),
    Row("an eta of NaN", lambda b: b.sampler(eta=NAN), "eta", "Use 0.0 to 1.0"),
    Row("negative noise", lambda b: b.sampler(s_noise=-1.0), "s_noise", "Use 0.0 to 2.0"),
    Row("noise of NaN", lambda b: b.sampler(s_noise=NAN), "s_noise", "Use 0.0 to 2.0"),
    Row("infinite noise", lambda b: b.sampler(s_noise=INFINITE), "s_noise", "Use 0.0 to 2.0"),
    Row("no sweeps", lambda b: b.sampler("gauss-legendre_2s", sweeps=0), "sweeps", "Use 1 to 20"),
    Row("sweeps without end", lambda b: b.sampler("gauss-legendre_2s", sweeps=10**9), "sweeps", "Use 1 to 20"),
    Row("half a sweep", lambda b: b.sampler("gauss-legendre_2s", sweeps=1.5), "sweeps", "Use a whole number"),
    Row("a count of minutes", lambda b: b.sampler(count="minutes"), "count", "'model calls'"),
    Row("an eta in words", lambda b: b.sampler(eta="much"), "eta", "Use a number from 0.0 to 1.0"),
]

SCHEDULES = [
    Row("a schedule that is none", lambda b: b.scheduler("linear"), "scheduler", "wan, genga, simple"),
    Row("no steps to schedule", lambda b: b.scheduler(steps=0), "steps", "Use 1 to 10000"),
    Row("steps below none", lambda b: b.scheduler("wan", steps=-4), "steps", "Use 1 to 10000"),
    Row("steps without end", lambda b: b.scheduler(steps=10**7), "steps", "Use 1 to 10000"),
    Row("half a step", lambda b: b.scheduler(steps=7.5), "steps", "Use a whole number"),
    Row("a schedule for no denoising", lambda b: b.scheduler(denoise=0.0), "denoise", "Use 0.01 to 1.0"),
    Row("more denoising than all", lambda b: b.scheduler("wan", denoise=1.5), "denoise", "Use 0.01 to 1.0"),
    Row("a denoise of NaN", lambda b: b.scheduler(denoise=NAN), "denoise", "Use 0.01 to 1.0"),
    Row("a schedule of negative shift", lambda b: b.scheduler(shift=-1.0), "shift", "Use 0.0 to 100.0"),
    Row("a schedule of shift NaN", lambda b: b.scheduler("genga", shift=NAN), "shift", "Use 0.0 to 100.0"),
    Row("a boundary to draw above 1", lambda b: b.scheduler(boundary=900.0), "boundary", "Use 0.0 to 1.0"),
    Row("a boundary to draw of NaN", lambda b: b.scheduler(boundary=NAN), "boundary", "Use 0.0 to 1.0"),
    Row("no model to schedule for", lambda b: b.scheduler(model=None), "model", "Wire the MODEL of a loader."),
    Row("a prompt as model", lambda b: b.scheduler(model=b.texts[0]), "model", "Wire the MODEL of a loader."),
    Row("Wan's grid for another kind of model", lambda b: b.scheduler("wan", b.unshifted()), "scheduler", "the host's"),
    Row("a shift for another kind of model", lambda b: b.scheduler(model=b.unshifted(), shift=5.0), "shift", "Use 0."),
]
