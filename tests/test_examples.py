"""A law added from outside, and every example that a docstring shows."""

import doctest
import importlib.util
import inspect
import itertools
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl

EXAMPLES = Path(__file__).parents[1] / "examples"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tiny():
    """Two neurons, one of which hears the other: six weights."""
    net = hl.RateNetwork(hl.Digraph(2, [0, 1], [1, 0]), inputs=1, key=jax.random.key(3))
    u = jnp.sin(jnp.arange(9.0))[:, None]
    return net, hl.Sample(u, jnp.cos(0.7 * jnp.arange(9.0))[:, None])


def forward_gradient(window):
    return hl.Law(None, loaded("forward_gradient").ForwardGradient(window))


def directions(state):
    """The tree that holds the present direction."""
    return state.credit.memory[0][1]


@eqx.filter_jit
def summed(law, net, samples, direction):
    state = law.init(net, key=jax.random.key(0))
    zero, _ = state.credit.memory[0]
    begun = (zero, direction), jnp.ones((), jnp.int32)
    state = eqx.tree_at(lambda s: s.credit.memory, state, begun)
    total = None
    for k in range(samples.target.shape[0]):
        now = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
        g, state, _ = law.estimate(state, now, jnp.asarray(0.3))
        total = g if total is None else jax.tree.map(jnp.add, total, g)
    return total


def test_forward_gradient_is_exact_in_the_mean_over_all_directions():
    net, samples = tiny()
    law = forward_gradient(100)
    w, _ = hl.split(net)
    flat, unravel = jax.flatten_util.ravel_pytree(w)
    draws = [
        summed(law, net, samples, unravel(jnp.asarray(d)))
        for d in itertools.product([-1.0, 1.0], repeat=flat.size)
    ]
    mean = jax.tree.map(lambda *g: sum(g) / len(g), *draws)
    exact = hl.exact_gradient(hl.Cost(), net, samples, dt=0.3).w
    for name in exact:
        np.testing.assert_allclose(mean[name], exact[name], rtol=1e-11, atol=1e-14)


def test_forward_gradient_draws_anew_after_a_window():
    net, samples = tiny()
    law = forward_gradient(4)
    state = law.init(net, key=jax.random.key(0))
    step, seen = eqx.filter_jit(law.step), []
    for k in range(9):
        now = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
        state, _ = step(state, now, jnp.asarray(0.3))
        seen.append(jax.flatten_util.ravel_pytree(directions(state))[0])
    same = [bool(jnp.all(a == b)) for a, b in itertools.pairwise(seen)]
    assert same == [True, True, True, False, True, True, True, False]
    assert all(bool(jnp.all(abs(d) == 1)) for d in seen)
    with pytest.raises(ValueError, match="`key` must be given"):
        law.init(net)


def test_the_example_is_short():
    text = (EXAMPLES / "forward_gradient.py").read_text()
    assert len(text.splitlines()) < 60


def test_forward_gradient_learns_from_the_command_line():
    with jax.numpy_dtype_promotion("standard"):
        result = loaded("forward_gradient").main()
    loss = result.loss
    assert loss[-1000:].mean() < 0.1 * result.losses["zero"]


def documented():
    """Every public thing whose docstring shows an example."""
    rooms = [getattr(hl, name) for name in dir(hl)]
    places = [hl, *(room for room in rooms if inspect.ismodule(room))]
    found = {}
    for place in places:
        if ">>>" in (place.__doc__ or ""):
            found[place.__name__] = place
        for name in dir(place):
            thing = getattr(place, name)
            known = any(thing is other for other in found.values())
            ours = getattr(thing, "__module__", "").startswith("hamlearn")
            if name.startswith("_") or known or not ours:
                continue
            if ">>>" in (thing.__doc__ or ""):
                found[f"{place.__name__}.{name}"] = thing
    return found


@pytest.mark.parametrize("name", documented())
def test_examples_of_docstrings_print_what_they_say(name):
    text = documented()[name].__doc__
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    with jax.numpy_dtype_promotion("standard"):
        runner.run(test)
    assert test.examples
    assert runner.failures == 0


def test_the_main_names_show_an_example():
    wanted = {
        "Digraph",
        "RateNetwork",
        "euler_lagrange",
        "hamilton",
        "solve",
        "mollify",
    }
    assert wanted <= {name.rpartition(".")[2] for name in documented()}
