"""Public functions: arguments that are right, and what each of them has to be."""

import tempfile
from functools import cache
from pathlib import Path

import diffrax as dfx
import jax.numpy as jnp
import numpy as np
import optax
from hypothesis import strategies as st

import hamlearn as hl
from hamlearn import jobs

from .entries import cost, graph, optional_callable
from .streams import DT, KEY, law, network, signals
from .wrong import count, non_negative, number, optional, positive, text, thing

START = number | st.sampled_from([np.zeros(3), np.zeros((2, 1)), "ab", np.array("a")])
"""In place of the state of two neurons."""


@cache
def saved():
    """A folder with a run in it."""
    folder = Path(tempfile.mkdtemp(prefix="hamlearn-fuzz-")) / "run"
    options = {"dt": DT, "progress": False, "chunk": 2}
    hl.stream(law(), network(), signals(), checkpoint=folder, **options)
    return folder


def held():
    """A signal of 24 values, held for four steps."""
    return hl.tasks.recorded("held", np.arange(24.0), np.sin(np.arange(24.0)), dt=0.25)


def walk(length=300):
    return np.cumsum(np.random.default_rng(0).normal(size=length))


@cache
def flow():
    graph = hl.Digraph(2, [0], [1])
    return hl.RateNetwork(graph, time_constant=0.1, key=KEY)


def constant(t):
    return 0.5 + 0 * t


_run = {
    "law": thing | number,
    "start": thing | number,
    "samples": thing | number,
    "dt": positive | st.sampled_from([[0.1, 0.2], np.ones(3)]),
    "record_every": count(1),
    "chunk": optional(count(1)),
    "every": count(1),
    "every_seconds": positive,
}
_settings = {
    "loss_weight": optional(non_negative),
    "weight_decay": optional(non_negative),
    "inertia": optional(positive),
    "dissipation": optional(non_negative),
    "speed": optional(positive),
    "neurons": optional(count(1)),
    "seed": optional(count(0)),
}


def compared(**options):
    """`compare`, of what is there at the least."""
    known = jobs.contenders()
    options = {"laws": {"frozen": known["frozen"]}} | options
    return hl.compare(progress=False, **options)


def asked(**options):
    return hl.jobs.evaluate(progress=False, **options)


CALLS = {
    "stream": (
        hl.stream,
        lambda: {
            "law": law(),
            "start": network(),
            "samples": signals(),
            "dt": DT,
            "progress": False,
        },
        _run
        | {
            "x0": optional(START),
            "key": optional(thing | number),
            "checkpoint": st.sampled_from(["/dev/null", "/dev/null/run"]),
        },
    ),
    "scan": (
        hl.scan,
        lambda: {
            "law": law(),
            "state": law().init(network()),
            "samples": signals(),
            "dt": DT,
        },
        {
            "law": thing | number,
            "state": thing | number,
            "samples": thing | number,
            "dt": positive | st.sampled_from([[0.1, 0.2], np.ones(3)]),
            "record": optional_callable,
        },
    ),
    "resume": (
        hl.resume,
        lambda: {
            "checkpoint": saved(),
            "law": law(),
            "start": network(),
            "samples": signals(),
            "dt": DT,
            "progress": False,
        },
        _run
        | {
            "checkpoint": text | st.sampled_from(["", "nowhere", "/dev/null"]),
            "x0": optional(START),
            "key": optional(thing | number),
        },
    ),
    "load_state": (
        hl.load_state,
        lambda: {"path": saved()},
        {"path": text | st.sampled_from(["", "nowhere", "/dev/null"])},
    ),
    "exact_gradient": (
        hl.exact_gradient,
        lambda: {
            "cost": hl.Cost(),
            "network": network(),
            "samples": signals(),
            "dt": DT,
        },
        {
            "cost": cost | st.none(),
            "network": thing | number,
            "samples": thing | number,
            "dt": positive | st.sampled_from([[0.1, 0.2], np.ones(3)]),
            "x0": optional(START),
            "memory": optional(thing | number),
        },
    ),
    "solve": (
        hl.solve,
        lambda: {
            "law": hl.HamiltonianLearning(dissipation=10.0),
            "network": flow(),
            "signal": hl.Signal(None, constant),
            "t0": 0.0,
            "t1": 1.0,
        },
        {
            "law": thing | number | st.just(hl.RTRL()),
            "network": thing | number,
            "signal": thing | number,
            "t0": number | st.sampled_from([1.0, 2.0, 1e300, np.zeros(2)]),
            "t1": number | st.sampled_from([0.0, -1.0, np.ones(2)]),
            "dt0": optional(positive),
            "solver": optional(thing) | st.sampled_from([optax.sgd, dfx.ItoMilstein()]),
            "controller": optional(thing) | st.just(dfx.ConstantStepSize()),
            "saveat": optional(thing)
            | st.sampled_from(
                [
                    dfx.SaveAt(ts=jnp.array([0.5, 2.0])),
                    dfx.SaveAt(ts=jnp.array([0.5, 0.2])),
                    dfx.SaveAt(t1=True, fn=lambda t, y, args: y.x),
                    dfx.SaveAt(t1=True, dense=True),
                    dfx.SaveAt(t1=True, solver_state=True),
                ]
            ),
            "event": optional(thing),
            "max_steps": count(1),
            "x0": optional(START),
            "key": optional(thing | number),
        },
    ),
    "compare": (
        compared,
        lambda: {
            "task": hl.tasks.Forecast(walk()),
            "neurons": 2,
            "seeds": 1,
            "rates": (0.03,),
        },
        {
            "task": thing | number | st.just(hl.tasks.Forecast(walk(100))),
            "laws": (thing | number).filter(lambda v: v is not None)
            | st.sampled_from([["rtrl"], {"rtrl": hl.RTRL}, {"rtrl": "rtrl"}]),
            "neurons": count(2),
            "seeds": count(1),
            "rates": positive | st.sampled_from([0.1, (0.1, -0.1), np.ones((2, 2))]),
            "most": optional(count(128)),
        },
    ),
    "track": (
        hl.track,
        lambda: {"target": held(), "progress": False},
        _settings
        | {
            "target": thing | number | st.just(hl.tasks.sine(duration=1.0)),
            "policy": optional(thing),
            "checkpoint": st.sampled_from(["/dev/null", "/dev/null/run"]),
        },
    ),
    "track_live": (
        jobs.track_live,
        lambda: {"values": np.sin(np.arange(24.0)), "progress": False},
        {
            "values": st.sampled_from([[], ["a"], [None], 5, [np.inf], [1 + 1j]]),
            "steps": count(4),
            "settings": optional(thing),
            "policy": optional(thing),
        },
    ),
    "tracker": (
        jobs.tracker,
        lambda: {"neurons": 2, "speed": 3.0, "seed": 0},
        {"neurons": count(1), "speed": positive, "seed": count(0), "first": number},
    ),
    "samples": (
        hl.tasks.Add().samples,
        lambda: {"steps": 10},
        {
            "key": optional(thing | number),
            "steps": optional(count(1)),
            "batch": optional(count(1)),
        },
    ),
    "samples of a series": (
        hl.tasks.Forecast(walk()).samples,
        lambda: {"steps": 10},
        {"steps": optional(count(1)) | st.just(1000)},
    ),
    "halves": (
        hl.tasks.halves,
        lambda: {"task": hl.tasks.Add(), "most": 100},
        {"task": thing | number, "most": optional(count(2))},
    ),
    "Batch of a graph": (
        hl.Batch,
        lambda: {"network": network(), "size": 2},
        {"network": st.just(graph()), "size": count(1)},
    ),
}
"""Nothing is compiled for a refusal but by what differs in shape alone."""
