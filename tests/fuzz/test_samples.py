"""Samples on their way into `stream`, `scan`, `solve` and the exact gradient.

Malformed ones are refused, unusual ones give what a NumPy twin gives.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hamlearn as hl

from . import wrong
from .streams import DT, STEPS, law, losses, network, signals, streamed
from .wrong import refused, taken, tried


def like(value, shape):
    """`value` in an array of a shape, of whatever type that makes."""
    return np.full(shape, value)


@st.composite
def bad_arrays(draw, shape):
    """What no run can learn from, where numbers of a shape are asked."""
    right = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    kind = draw(st.sampled_from(["entry", "type", "shape", "mask", "huge", "other"]))
    if kind == "entry":
        place = tuple(draw(st.integers(0, size - 1)) for size in shape)
        right[place] = draw(wrong.NOT_FINITE)
        return right
    if kind == "type":
        kinds = ["datetime64[s]", "timedelta64[s]", "U5", "S5", object, complex]
        found = (
            right.astype(draw(st.sampled_from(kinds[2:])))
            if draw(st.booleans())
            else None
        )
        return (
            right.astype(int).astype(draw(st.sampled_from(kinds[:2])))
            if found is None
            else found
        )
    if kind == "shape":
        other = draw(
            st.sampled_from(
                [
                    (STEPS, 3),
                    (STEPS + 1, 1),
                    (STEPS,),
                    (),
                    (2, STEPS, 1),
                    (0, 1),
                    (STEPS, 0),
                ]
            )
        )
        return np.zeros(other)
    if kind == "mask":
        mask = np.zeros(shape, bool)
        mask.flat[draw(st.integers(0, mask.size - 1))] = True
        return np.ma.masked_array(right, mask)
    if kind == "huge":
        right.flat[draw(st.integers(0, right.size - 1))] = draw(
            st.sampled_from([1e300, -1e39, 1e39])
        )
        return (
            right.astype(object)
            if draw(st.booleans())
            else np.where(np.abs(right) > 1, np.inf, right)
        )
    return draw(wrong.TEXT | wrong.TABLES | wrong.COMPLEX | wrong.EMPTY)


PARTS = [
    "input",
    "target",
    "weight",
    "input_rate",
    "target_rate",
    "input_acceleration",
    "start",
]


def spoilt(name, value):
    u, y = signals()
    parts = {"input": u, "target": y, "weight": None, "input_rate": None}
    return hl.Sample(**(parts | {name: value}))


@pytest.mark.parametrize("name", PARTS)
def test_malformed_samples_are_refused(name):
    shape = (STEPS,) if name in ("weight", "start") else (STEPS, 1)
    entries = bad_arrays(shape).filter(
        lambda value: (
            name not in ("weight", "start")
            or np.shape(value) != shape
            or np.asarray(value).dtype.kind != "f"
            or not np.all(np.isfinite(np.ma.getdata(value)))
            or np.ma.is_masked(value)
        )
    )

    @tried(30)
    @given(entries, st.booleans())
    def each(value, itemwise):
        sample = spoilt(name, value)
        refused(lambda: streamed(sample), "samples")

    each()


@tried(40)
@given(st.floats(max_value=-1e-300, allow_infinity=False), st.integers(0, STEPS - 1))
def test_negative_weights_are_refused(value, place):
    weight = np.ones(STEPS)
    weight[place] = value
    text = refused(lambda: streamed(hl.Sample(*signals(), weight)), "samples.weight")
    assert f"at {place}." in text


@tried(60)
@given(
    st.sampled_from([1e39, -1e39, 1e300, 1e200]),
    st.integers(0, STEPS - 1),
    st.sampled_from(["input", "target"]),
)
def test_numbers_that_single_precision_does_not_hold_are_refused(value, place, name):
    u, y = signals()
    {"input": u, "target": y}[name][place] = value
    text = refused(
        lambda: streamed((u, y), network(dtype="float32")), f"samples.{name}"
    )
    assert "float32" in text
    assert str(float(value)) in text


@tried(60)
@given(wrong.positive | st.sampled_from([[0.1, 0.2], np.ones(3)]))
def test_a_wrong_dt_is_refused(dt):
    refused(lambda: streamed(signals(), dt=dt), "dt")


@tried(60)
@given(
    st.sampled_from(["record_every", "chunk", "every"]),
    wrong.optional(wrong.count(1)),
)
def test_a_wrong_count_is_refused(name, value):
    refused(lambda: streamed(signals(), **{name: value}), name)


@tried(60)
@given(wrong.thing | wrong.number.filter(lambda v: v is not None))
def test_a_wrong_start_or_key_is_refused(value):
    refused(lambda: streamed(signals(), key=value), "key")
    refused(lambda: hl.stream(law(), value, signals(), dt=DT), "network", "x0", "start")
    refused(lambda: hl.stream(value, network(), signals(), dt=DT), "law")


@st.composite
def bad_starts(draw):
    shape = draw(st.sampled_from([(), (1,), (3,), (2, 1), (1, 2), (0,)]))
    entry = draw(wrong.NOT_FINITE | wrong.COMPLEX)
    return draw(
        st.sampled_from(
            [
                np.zeros(shape),
                np.full(2, entry),
                "ab",
                {"x": np.zeros(2)},
                np.array(["a", "b"]),
                np.full(2, "2020-01-01", "datetime64[D]"),
            ]
        )
    )


@tried(60)
@given(bad_starts())
def test_a_wrong_x0_is_refused(x0):
    refused(lambda: streamed(signals(), x0=x0), "x0")
    refused(
        lambda: hl.exact_gradient(hl.Cost(), network(), signals(), dt=DT, x0=x0), "x0"
    )


@tried(60)
@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.integers(1, 2))
def test_what_does_not_fit_the_network_is_refused_and_never_broadcast(
    i, o, inputs, outputs
):
    net = network(inputs, outputs)
    samples = signals(i, o)
    if (i, o) == (inputs, outputs):
        assert np.all(np.isfinite(streamed(samples, net)))
        return
    for call in (
        lambda: streamed(samples, net),
        lambda: hl.scan(law(), law().init(net), samples, DT),
        lambda: hl.exact_gradient(hl.Cost(), net, samples, dt=DT),
    ):
        refused(call, "samples.input", "samples.target")
    signal = hl.Signal(lambda t: jnp.ones(i) * t, lambda t: jnp.ones(o) * t)
    flow = hl.HamiltonianLearning()
    refused(
        lambda: hl.solve(flow, net, signal, t0=0.0, t1=1.0),
        "signal.input",
        "signal.target",
    )


@st.composite
def representations(draw):
    """The same numbers, as a user may hold them."""
    u, y = signals()
    kind = draw(st.sampled_from(["array", "iterable", "sample"]))
    forms = [
        np.array,
        jnp.asarray,
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.ma.masked_array(a, False),
        lambda a: a.tolist(),
        lambda a: _read_only(a),
        lambda a: a.astype(">f8"),
    ]
    a, b = draw(st.sampled_from(forms))(u), draw(st.sampled_from(forms))(y)
    if kind == "array":
        return a, b
    if kind == "sample":
        return hl.Sample(a, b)
    reused = draw(st.booleans())
    return _one_by_one(u, y, reused, draw(st.booleans()))


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def _one_by_one(u, y, reused, scalar):
    memory = np.zeros(1), np.zeros(1)
    for now in zip(u, y, strict=True):
        if reused:
            memory[0][:], memory[1][:] = now
            yield memory
        else:
            yield tuple(a[0] if scalar else a for a in now)


@tried(250)
@given(
    representations(),
    st.sampled_from(
        [DT, np.float32(DT), np.float64(DT), np.array(DT), jnp.asarray(DT)]
    ),
    st.sampled_from([None, 1, 2, 4, STEPS, 100]),
    st.sampled_from(
        [
            None,
            [0, 0],
            (0, 0),
            np.zeros(2, int),
            np.zeros(2, bool),
            np.zeros(2, np.float32),
        ]
    ),
)
def test_unusual_but_right_samples_give_the_right_losses(samples, dt, chunk, x0):
    found = streamed(samples, dt=dt, chunk=chunk, x0=x0)
    single = isinstance(dt, np.float32)
    np.testing.assert_allclose(
        found, losses(*signals()), rtol=1e-5 if single else 1e-12
    )
    taken()


@tried(150)
@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=STEPS, max_size=STEPS),
    st.sampled_from([np.nan, np.inf, 0.0, 1e300]),
    st.sampled_from([np.float64, np.float32]),
)
def test_what_has_no_weight_is_not_heard(weight, hidden, dtype):
    u, y = signals()
    weight = np.array(weight, dtype)
    shown = np.where(weight[:, None] == 0, hidden, y)
    found = streamed(hl.Sample(u, shown, weight))
    np.testing.assert_allclose(found, losses(u, y, weight), rtol=1e-12, atol=1e-15)
    found = scanned(hl.Sample(u, shown, weight))
    np.testing.assert_allclose(found, losses(u, y, weight), rtol=1e-12, atol=1e-15)
    taken()


@jax.jit
def scanned(samples):
    return hl.scan(law(), law().init(network()), samples, DT)[1].loss


@tried(60)
@given(st.integers(0, 5), st.integers(1, 7))
def test_every_number_of_samples_and_records(skip, every):
    u, y = signals(steps=STEPS - skip)
    found = hl.stream(
        law(), network(), (u, y), dt=DT, record_every=every, progress=False
    )
    np.testing.assert_allclose(found.loss, losses(u, y)[::every], rtol=1e-12)
    taken()


def test_inside_a_transformation_stream_points_to_scan():
    u, y = map(jnp.asarray, signals())
    for call in (
        lambda: jax.jit(lambda u: streamed((u, y)))(u),
        lambda: jax.jit(lambda dt: streamed((u, y), dt=dt))(0.1),
        lambda: eqx.filter_jit(lambda net: streamed((u, y), net))(network()),
    ):
        assert "`hl.scan`" in refused(call)
