"""Public constructors: arguments that are right, and what each of them has to be."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse
from hypothesis import strategies as st

import hamlearn as hl

from .wrong import (
    Thing,
    count,
    non_negative,
    number,
    optional,
    positive,
    text,
    thing,
)

KEY = jax.random.key(0)


@cache
def graph():
    return hl.Digraph.complete(3, self_loops=True)


@cache
def network():
    return hl.RateNetwork(graph(), inputs=1, key=KEY)


nodes = (number | thing | count(0)).filter(
    lambda v: (
        not (
            isinstance(v, int | np.integer) and not isinstance(v, bool) and 1 <= v <= 3
        )
    )
)
cost, update = optional(thing), optional(thing)
callable_ = thing.filter(lambda value: not callable(value)) | number
optional_callable = optional(callable_)
learn = (thing | number).filter(
    lambda v: v not in ({}, set()) if isinstance(v, dict | set) else np.size(v) > 0
)
dtype = thing
key = thing | number
flag = thing | number


def head(modes=4, inputs=1):
    return hl.networks.OwnHead(modes, inputs=inputs, key=KEY)


def layer(outputs):
    """One that hears one input."""
    return hl.DiagonalNetwork(2, inputs=1, outputs=outputs, key=KEY)


def well(neurons=3):
    return hl.networks.Harmonic(jnp.ones(neurons))


def linear(size):
    return eqx.nn.Linear(size, 1, key=KEY)


_head = {"modes": count(1), "inputs": count(0), "dtype": optional(dtype), "key": key}
_neurons = {
    "graph": thing,
    "inputs": count(0),
    "outputs": nodes,
    "input_nodes": optional(nodes),
    "activation": callable_,
    "gain": non_negative,
    "learn": learn,
    "dtype": optional(dtype),
    "key": key,
}
_law = {"cost": cost, "update": update}
_swept = _law | {"sweeps": optional(count(0))}
_GLE = _law | {
    "schedule": optional(thing),
    "leak": optional(thing),
    "nudging": non_negative,
}

SERIES = st.sampled_from(
    [
        np.arange(100.0),  # a straight line
        np.where(np.arange(100) < 50, 0.0, np.sin(np.arange(100))),
        1e200 * np.sin(np.arange(100.0)),
        1e-200 * np.sin(np.arange(100.0)),
        np.ones((100, 2)),
        np.ones(20),
    ]
)
"""Of which nothing is to be foretold."""

_distractors = {
    "channels": count(0),
    "probability": number | st.sampled_from([-0.1, 1.1]),
}

ENTRIES = {
    "Digraph": (
        hl.Digraph,
        lambda: {"num_nodes": 3, "senders": [0, 1], "receivers": [1, 2]},
        {"num_nodes": count(3), "senders": number | thing, "receivers": number | thing},
    ),
    "Digraph.complete": (
        hl.Digraph.complete,
        lambda: {"num_nodes": 3, "self_loops": True},
        {"num_nodes": count(1)},
    ),
    "Digraph.layered": (
        hl.Digraph.layered,
        lambda: {"sizes": [2, 3]},
        {"sizes": number | thing},
    ),
    "Digraph.layered, sparse": (
        hl.Digraph.layered,
        lambda: {"sizes": [2, 3], "in_degree": 1, "key": KEY},
        {"in_degree": count(1).filter(lambda v: v is not None), "key": key},
    ),
    "Digraph.small_world": (
        hl.Digraph.small_world,
        lambda: {"num_nodes": 9, "in_degree": 2, "rewired": 0.5, "key": KEY},
        {"in_degree": count(1), "rewired": number, "key": key},
    ),
    "Digraph.from_scipy": (
        hl.Digraph.from_scipy,
        lambda: {"matrix": scipy.sparse.eye_array(3).tocsr()},
        {"matrix": thing | number},
    ),
    "Digraph.random": (
        hl.Digraph.random,
        lambda: {"num_nodes": 5, "in_degree": 2, "key": KEY},
        {"num_nodes": count(3), "in_degree": count(1), "key": key},
    ),
    "Digraph.from_networkx": (
        hl.Digraph.from_networkx,
        lambda: {"graph": graph().to_networkx()},
        {"graph": thing | number},
    ),
    "RateNetwork": (
        hl.RateNetwork,
        lambda: {"graph": graph(), "key": KEY},
        _neurons
        | {
            "time_constant": positive,
            "readout": optional_callable | st.sampled_from([linear(2), linear(70)]),
        },
    ),
    "VoltageNetwork": (
        hl.VoltageNetwork,
        lambda: {"graph": graph(), "key": KEY},
        _neurons
        | {
            "linear": optional(nodes),
            "membrane_time_constant": positive,
            "prospective_time_constant": non_negative,
            "floor": positive,
        },
    ),
    "DiagonalNetwork": (
        hl.DiagonalNetwork,
        lambda: {"modes": 4, "inputs": 1, "key": KEY},
        {
            "modes": count(1),
            "inputs": count(1),
            "outputs": count(1),
            "hidden": optional(count(1)),
            "time_constant": positive | st.sampled_from([(1.0, -2.0), (1.0,), 3.0]),
            "phase": positive,
            "classes": optional(count(1)) | st.just(3),
            "head": optional(thing) | st.sampled_from([head(modes=3), head(inputs=2)]),
            "learn": learn,
            "dtype": optional(dtype),
            "key": key,
        },
    ),
    "SpikingNetwork": (
        hl.networks.SpikingNetwork,
        lambda: {"neurons": 3, "inputs": 1, "outputs": 1, "key": KEY},
        {
            "neurons": count(1),
            "inputs": count(1),
            "outputs": count(1),
            "adaptive": count(0) | st.just(4),
            "time_constant": positive | st.just(np.ones(3)),
            "adaptation_time_constant": positive,
            "readout_time_constant": positive,
            "threshold": positive,
            "adaptation": non_negative,
            "learn": learn,
            "dtype": optional(dtype),
            "key": key,
        },
    ),
    "HamiltonianNetwork": (
        hl.networks.HamiltonianNetwork,
        lambda: {"potential": well(), "neurons": 3, "inputs": 1, "key": KEY},
        {
            "potential": callable_ | st.sampled_from([well(2), well(1), len]),
            "neurons": count(1) | st.just(4),
            "inputs": count(0),
            "readout": optional_callable | st.just(linear(2)),
            "dissipation": non_negative | st.just(np.ones(3)),
            "learn": learn,
            "dtype": optional(dtype),
            "key": key,
        },
    ),
    "Harmonic": (
        hl.networks.Harmonic,
        lambda: {"stiffness": np.ones(3)},
        {"stiffness": number | st.sampled_from([1.0, np.ones((2, 2))])},
    ),
    "LogCosh": (
        hl.networks.LogCosh,
        lambda: {"stiffness": np.ones(3)},
        {
            "stiffness": number | st.sampled_from([1.0, np.ones((2, 2))]),
            "gain": number | st.just(np.ones(2)),
            "slope": number | st.sampled_from([0.0, np.ones(2)]),
            "bias": number | st.just(np.ones(2)),
        },
    ),
    "Stack": (
        hl.Stack,
        lambda: {"layers": [layer(1), layer(2)]},
        {"layers": thing | number | st.sampled_from([[layer(2), layer(1)], [len]])},
    ),
    "Memoryless": (
        hl.networks.Memoryless,
        lambda: {"head": head(), "inputs": 1},
        {
            "head": thing | number | st.just(head(inputs=2)),
            "inputs": count(1) | st.just(2),
            "learn": learn,
        },
    ),
    "MixedHead": (
        hl.networks.MixedHead,
        lambda: {"modes": 2, "inputs": 1, "hidden": 2, "key": KEY},
        {
            "modes": count(1),
            "inputs": count(0),
            "outputs": count(1),
            "hidden": count(1),
            "dtype": optional(dtype),
            "key": key,
        },
    ),
    "OwnHead": (
        hl.networks.OwnHead,
        lambda: {"modes": 2, "inputs": 1, "key": KEY},
        _head,
    ),
    "ProductHead": (
        hl.networks.ProductHead,
        lambda: {"modes": 2, "inputs": 1, "key": KEY},
        _head,
    ),
    "Dynamics": (
        hl.Dynamics,
        lambda: {"drift": lambda x, u: -x, "initial_state": jnp.zeros(2)},
        {
            "drift": callable_,
            "initial_state": number.filter(lambda v: not isinstance(v, dict) or not v),
            "readout": optional_callable | st.just(linear(3)),
            "inputs": optional(count(0)),
        },
    ),
    "Batch": (
        hl.Batch,
        lambda: {"network": network(), "size": 2},
        {"network": thing | number, "size": count(1)},
    ),
    "Cost": (
        hl.Cost,
        dict,
        {"loss": callable_, "loss_weight": non_negative, "weight_decay": non_negative},
    ),
    "Signal": (
        hl.Signal,
        dict,
        {"input": optional_callable, "target": optional_callable},
    ),
    "HamiltonianLearning": (
        hl.HamiltonianLearning,
        dict,
        _law
        | {
            "policy": optional(thing),
            "inertia": optional(positive),
            "dissipation": optional(non_negative),
            "solver": optional(thing),
            "hamiltonian": optional_callable,
        },
    ),
    "STLP": (
        hl.STLP,
        dict,
        {
            "cost": cost,
            "inertia": optional(positive),
            "dissipation": optional(non_negative),
            "neuron_mass": optional(positive),
            "weight_mass": optional(positive).filter(lambda v: not isinstance(v, dict)),
            "slack": optional(thing),
            "potential": optional_callable,
            "stabilisation": optional(thing),
            "gram": optional(thing),
            "solver": optional(thing),
            "lagrangian": optional_callable,
            "constraint": optional_callable,
        },
    ),
    "GLE": (hl.GLE, dict, _GLE | {"closure": optional(thing)}),
    "LE": (hl.LE, dict, _GLE),
    "VLE": (
        hl.VLE,
        lambda: {"window": 3},
        _law
        | {"window": count(1), "dissipation": non_negative, "discount": non_negative},
    ),
    "BPTT": (
        hl.BPTT,
        lambda: {"window": 3},
        _law | {"window": count(1), "overlap": count(0), "inputs": optional(count(0))},
    ),
    "RTRL": (hl.RTRL, dict, _law | {"solver": optional(thing)}),
    "SnAp1": (hl.SnAp1, dict, _law | {"inputs": optional(count(0))}),
    "SnAp": (
        hl.SnAp,
        lambda: {"order": 2},
        _law | {"order": count(1), "inputs": optional(count(0))},
    ),
    "RFLO": (hl.RFLO, dict, _law | {"feedback": optional(thing)}),
    "EProp": (hl.EProp, dict, _law | {"feedback": optional(thing)}),
    "UORO": (hl.laws.UORO, dict, _law),
    "KFRTRL": (hl.laws.KFRTRL, dict, _law),
    "Instantaneous": (hl.laws.Instantaneous, dict, _swept),
    "FeedbackAlignment": (hl.laws.FeedbackAlignment, dict, _swept),
    "RecurrentBackprop": (
        hl.laws.RecurrentBackprop,
        dict,
        _law | {"linear_solver": optional(thing)},
    ),
    "NLA": (
        hl.laws.NLA,
        dict,
        {
            "cost": cost,
            "rate": non_negative,
            "nudging": non_negative,
            "solver": optional(thing),
            "linear_solver": optional(thing),
        },
    ),
    "Law": (
        hl.Law,
        lambda: {"cost": None, "credit": hl.sensitivities.Exact()},
        _law
        | {
            "credit": thing | number,
            "residual": optional(thing),
            "motion": optional(thing),
            "solver": optional(thing),
            "title": text,
        },
    ),
    "Inertia": (
        hl.updates.Inertia,
        dict,
        {"inertia": positive, "dissipation": non_negative},
    ),
    "GradientFlow": (hl.updates.GradientFlow, dict, {"rate": non_negative}),
    "Optax": (
        hl.updates.Optax,
        lambda: {"factory": optax.sgd, "learning_rate": 0.1},
        {"factory": callable_},
    ),
    "Ready": (
        hl.updates.Ready,
        lambda: {"transformation": optax.sgd(0.1)},
        {"transformation": thing | number},
    ),
    "CostateFlow": (
        hl.costates.CostateFlow,
        dict,
        {"policy": optional(thing), "dissipation": non_negative},
    ),
    "CostateBox": (
        hl.costates.CostateBox,
        lambda: {"bound": 1.0},
        {"bound": positive, "policy": optional(thing)},
    ),
    "CostateReset": (
        hl.costates.CostateReset,
        lambda: {"bound": 1.0},
        {"bound": positive, "policy": optional(thing)},
    ),
    "HysteresisSign": (hl.costates.HysteresisSign, dict, {"band": positive}),
    "SmoothSign": (hl.costates.SmoothSign, dict, {"scale": positive}),
    "ProspectiveGain": (hl.costates.ProspectiveGain, dict, {"time_constant": positive}),
    "Errors": (
        hl.costates.Errors,
        dict,
        {"closure": thing, "schedule": thing, "leak": thing},
    ),
    "InstantErrors": (hl.costates.InstantErrors, dict, {"schedule": thing}),
    "Latent": (
        hl.costates.Latent,
        dict,
        {"schedule": optional(thing), "leak": optional(thing), "nudging": non_negative},
    ),
    "ProspectiveAdjoint": (
        hl.costates.ProspectiveAdjoint,
        lambda: {"window": 3},
        {"window": count(1), "dissipation": non_negative, "discount": non_negative},
    ),
    "Adjoint": (
        hl.costates.Adjoint,
        lambda: {"window": 3},
        {"window": count(1), "overlap": count(0), "inputs": optional(count(0))},
    ),
    "AtRest": (hl.costates.AtRest, dict, {"sweeps": optional(count(0))}),
    "RandomFeedback": (
        hl.costates.RandomFeedback,
        dict,
        {"sweeps": optional(count(0))},
    ),
    "FixedPoint": (hl.costates.FixedPoint, dict, {"linear_solver": thing}),
    "OwnLeak": (hl.sensitivities.OwnLeak, dict, {"feedback": thing}),
    "Diagonal": (hl.sensitivities.Diagonal, dict, {"inputs": optional(count(0))}),
    "Sparse": (
        hl.sensitivities.Sparse,
        lambda: {"order": 2},
        {"order": count(1), "inputs": optional(count(0))},
    ),
    "Slack": (
        hl.action.Slack,
        dict,
        {"mass": positive, "stiffness": non_negative, "sweeps": count(1)},
    ),
    "Baumgarte": (
        hl.mechanics.Baumgarte,
        dict,
        {"alpha": non_negative, "beta": non_negative},
    ),
    "ConstraintForce": (
        hl.mechanics.ConstraintForce,
        lambda: {"stiffness": 1.0},
        {"stiffness": non_negative, "alpha": non_negative},
    ),
    "ConstraintPotential": (
        hl.mechanics.ConstraintPotential,
        lambda: {"stiffness": 1.0},
        {"stiffness": non_negative},
    ),
    "Projection": (
        hl.mechanics.Projection,
        dict,
        {"newton": count(1), "within": thing},
    ),
    "Automatic": (hl.mechanics.Automatic, dict, {"dense": count(0), "deep": count(0)}),
    "NeumannSweeps": (
        hl.mechanics.NeumannSweeps,
        dict,
        {"exchanges": optional(count(0))},
    ),
    "RepeatedSweeps": (
        hl.mechanics.RepeatedSweeps,
        dict,
        {"sweeps": thing, "rounds": count(1)},
    ),
    "Held": (
        hl.signals.Held,
        lambda: {"values": [1.0, 2.0], "dt": 0.1},
        {"values": number, "dt": positive},
    ),
    "Mollified": (
        hl.signals.Mollified,
        lambda: {"values": [1.0, 2.0], "dt": 0.1, "width": 0.01},
        {"values": number, "dt": positive, "width": positive},
    ),
    "mollify": (
        hl.signals.mollify,
        lambda: {
            "inputs": np.ones((3, 1)),
            "targets": np.ones((3, 1)),
            "steps": 4,
            "dt": 0.1,
        },
        {
            "inputs": number,
            "targets": number,
            "steps": count(1),
            "dt": positive,
            "width": optional(positive),
        },
    ),
    "Add": (hl.tasks.Add, dict, {"lags": thing | number}),
    "Adding": (hl.tasks.Adding, dict, {"episode": count(2)}),
    "Copy": (
        hl.tasks.Copy,
        dict,
        {"symbols": count(2), "items": count(1), "delay": count(0)},
    ),
    "DelayedXOR": (hl.tasks.DelayedXOR, dict, {"delay": count(0)}),
    "EvidenceAccumulation": (
        hl.tasks.EvidenceAccumulation,
        dict,
        {"cues": count(1), "gap": count(0), "delay": count(0)},
    ),
    "DelayedCue": (hl.tasks.DelayedCue, dict, {"lag": count(1)} | _distractors),
    "MatchToSample": (hl.tasks.MatchToSample, dict, {"lag": count(1)} | _distractors),
    "Flag": (
        hl.tasks.Flag,
        dict,
        {"lag": count(1), "late": count(0)} | _distractors,
    ),
    "TraceConditioning": (
        hl.tasks.TraceConditioning,
        dict,
        {"interval": count(2)} | _distractors,
    ),
    "Lorenz": (hl.tasks.Lorenz, dict, {"dt": positive, "ahead": count(1)}),
    "MackeyGlass": (
        hl.tasks.MackeyGlass,
        dict,
        {"dt": positive, "horizon": positive, "delay": positive},
    ),
    "TeacherStudent": (
        hl.tasks.TeacherStudent,
        dict,
        {
            "inputs": count(1),
            "neurons": count(1),
            "outputs": count(1),
            "gain": non_negative,
            "time_constant": positive,
            "correlation": positive,
            "dt": positive,
            "seed": count(0),
        },
    ),
    "sine": (hl.tasks.sine, dict, {"duration": positive, "dt": positive}),
    "patched": (
        hl.tasks.patched,
        dict,
        {"duration": positive, "dt": positive, "seed": count(0)},
    ),
    "heartbeat": (
        hl.tasks.heartbeat,
        dict,
        {"seconds": positive, "dt": optional(positive)},
    ),
    "recorded": (
        hl.tasks.recorded,
        lambda: {"name": "x", "times": np.arange(9.0), "values": np.arange(9.0)},
        {
            "times": number | st.sampled_from([np.zeros(9), [0.0] * 8 + [1e18]]),
            "values": number | st.sampled_from([np.ones(8), [-1e308] * 8 + [1e308]]),
            "dt": optional(positive) | st.just(1e-300),
            "name": text,
        },
    ),
    "Forecast": (
        hl.tasks.Forecast,
        lambda: {"series": np.sin(np.arange(100.0))},
        {
            "series": number | thing | SERIES,
            "ahead": count(1) | st.just(60),
            "most": count(1) | st.just(30),
            "name": text,
            "units": optional(thing),
        },
    ),
    "Tracking": (
        hl.tasks.Tracking,
        lambda: {
            "name": "x",
            "values": np.ones(9),
            "last": np.ones(9),
            "dt": 1.0,
            "interval": 1.0,
        },
        {
            "values": number,
            "last": number,
            "dt": positive,
            "interval": positive,
            "offset": number,
            "scale": number,
            "starts": optional(number),
            "asked": optional(number) | st.just(np.ones(8, bool)),
            "name": text,
        },
    ),
    "Paired": (
        hl.tasks.Paired,
        lambda: {"name": "x", "input": np.ones((90, 1)), "target": np.ones((90, 1))},
        {
            "input": number | st.just(np.ones((60, 1))),
            "target": number
            | st.sampled_from([np.ones((60, 1)), np.ones(90).astype("M8[s]")]),
            "classes": optional(count(1)),
            "loss": optional_callable,
            "metric": optional_callable,
            "weight": optional(number) | st.sampled_from([-np.ones(90), np.ones(9)]),
            "known": st.sampled_from([5, "abc", Thing()]),
            "name": text,
        },
    ),
    "Audited": (hl.analysis.Audited, lambda: {"law": hl.RTRL()}, {"law": thing}),
}
