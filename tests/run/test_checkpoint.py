"""Checkpoints: whole, of one run and one process, or refused with what is wrong."""

import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.run import saved
from hamlearn.run.checkpoint import Checkpoint
from hamlearn.updates import Optax

KEY = jax.random.key(0)
LAW = hl.RTRL(update=Optax(optax.adam, learning_rate=1e-2))
OPTIONS = {"dt": 0.1, "progress": False, "chunk": 20}


def network(**changes):
    options = {"inputs": 1, "key": KEY} | changes
    return hl.RateNetwork(hl.Digraph.complete(4, self_loops=True), **options)


def wave(count):
    t = 0.1 * np.arange(count)
    return np.cos(t)[:, None], 0.5 * np.sin(2 * t)[:, None]


def run(path, count=200, **options):
    options = OPTIONS | {"every": 20, "checkpoint": path} | options
    return hl.stream(LAW, network(), wave(count), **options)


def resumed(path, count=300, samples=None, **options):
    samples = wave(count) if samples is None else samples
    return hl.resume(path, LAW, network(), samples, **(OPTIONS | options))


@pytest.fixture(scope="module")
def whole():
    return hl.stream(LAW, network(), wave(300), **OPTIONS)


def same(result, other):
    for a, b in zip(
        jax.tree.leaves(result.state), jax.tree.leaves(other.state), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    for name, value in other.to_numpy().items():
        np.testing.assert_array_equal(result.to_numpy()[name], value)
    assert result.losses == other.losses


def test_old_checkpoints_go_and_two_stay(tmp_path):
    run(tmp_path)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["lock", "records.bin", "state-180.ckpt", "state-200.ckpt"]


def test_an_older_run_is_not_written_over(tmp_path, whole):
    run(tmp_path)
    wanted = r"a new folder \(`resume` goes on .*state-200.ckpt of a run"
    with pytest.raises(ValueError, match=wanted):
        run(tmp_path)
    same(resumed(tmp_path), whole)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "checkpoint.json").write_text("{}")  # of version 0.1
    with pytest.raises(ValueError, match="a new folder"):
        run(tmp_path / "old")


def test_other_and_fewer_samples_are_refused(tmp_path, whole):
    run(tmp_path)
    with pytest.raises(ValueError, match=r"at least the 200 that .* but is only 150"):
        resumed(tmp_path, 150)
    u, y = wave(300)
    y[150] += 1e-9
    for samples in ((u, y), zip(u, y, strict=True)):
        with pytest.raises(ValueError, match="those of the run, 200 of which it has"):
            resumed(tmp_path, samples=samples)
    u, y = wave(300)
    y[250] += 1e-9  # not yet seen
    assert resumed(tmp_path, samples=(u, y)).samples == 300


def test_another_start_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match=r"differs in start \(`x0`, `key`\)"):
        resumed(tmp_path, x0=jnp.full(4, 0.1))
    law = hl.laws.UORO()
    options = {**OPTIONS, "checkpoint": tmp_path / "random"}
    hl.stream(law, network(), wave(50), key=KEY, **options)
    with pytest.raises(ValueError, match=r"differs in start \(`x0`, `key`\)"):
        hl.resume(
            tmp_path / "random", law, network(), wave(80),
            key=jax.random.key(1), **OPTIONS,
        )  # fmt: skip


class Two(eqx.Module):
    parts: list

    def __call__(self, x, u):
        return jnp.sum(u) - self.parts[0](x) - self.parts[1](x)


def test_lists_of_parts_are_told_apart_by_what_is_in_them(tmp_path):
    def start(second):
        gains = [eqx.nn.Identity(), eqx.nn.Lambda(second)]
        return hl.Dynamics(Two(gains), initial_state=jnp.zeros(1))

    law = hl.HamiltonianLearning(dissipation=1.0)
    hl.stream(law, start(jnp.tanh), wave(40), checkpoint=tmp_path, **OPTIONS)
    with pytest.raises(ValueError, match=r"differs in network.drift.parts.1.fn"):
        hl.resume(tmp_path, law, start(jnp.sin), wave(80), **OPTIONS)


def started(code, *arguments):
    """Another Python, with its output to read."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_folder_is_one_process_s(tmp_path):
    with started(HOLDER, tmp_path) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"process {other.pid} on .* is writing"):
            run(tmp_path)
        other.kill()
    assert run(tmp_path).samples == 200  # a dead process holds nothing


HOLDER = """
import sys, time
from hamlearn.run.guard import guarded
with guarded(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_one_run_s_at_a_time_and_free_after(tmp_path):
    def meddle(state, position):
        with pytest.raises(ValueError, match="one run at a time"):
            run(tmp_path)

    run(tmp_path, callback=meddle)
    assert resumed(tmp_path).samples == 300


def test_what_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="a folder that can be written to"):
        run(tmp_path / "file")
    with pytest.raises(ValueError, match="the folder of an earlier run"):
        resumed(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="the folder of an earlier run"):
        resumed(tmp_path / "empty")
    assert not list((tmp_path / "empty").iterdir())


def test_what_cannot_be_saved_fails_before_the_first_sample(tmp_path):
    class Odd:
        def __reduce__(self):
            raise TypeError("no")

    steps = []
    net = hl.Dynamics(
        lambda x, u: u - x, initial_state=jnp.zeros(1), readout=lambda x, u: x
    )
    law = hl.HamiltonianLearning(dissipation=1.0)
    state = law.init(net)
    state = type(state)(state.x, state.w, state.credit, state.update, state.rest)
    object.__setattr__(state.rest, "fixed", Odd())
    with pytest.raises(ValueError, match="`state` must be made of arrays"):
        hl.stream(
            law, state, wave(60), checkpoint=tmp_path,
            callback=lambda s, k: steps.append(k), **OPTIONS,
        )  # fmt: skip
    assert steps == []


def test_time_saves_too(tmp_path, monkeypatch):
    """0.2 s a sample: never more than every_seconds and a tenth."""
    now, real, seen = [0.0], Checkpoint._write, []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def write(self, at, records):
        seen.append(at.position)
        real(self, at, records)

    def callback(state, position):
        now[0] = 0.2 * position

    monkeypatch.setattr(Checkpoint, "_write", write)
    result = run(tmp_path, every=10**6, every_seconds=10.0, callback=callback)
    assert seen[0] == 0
    assert seen[-1] == result.samples == 200
    assert 4 <= len(seen) <= 6
    assert max(np.diff(seen)) <= 55


class Slow(hl.laws.AbstractLaw):
    """A law that takes two milliseconds more for a sample."""

    law: hl.laws.AbstractLaw
    cost: hl.Cost

    def init(self, network, *, x0=None, key=None):
        return self.law.init(network, x0=x0, key=key)

    def step(self, state, sample, dt):
        return self.law.step(
            state, sample, jax.pure_callback(waited, dt, dt, sample.input)
        )

    def estimate(self, state, sample, dt):
        return self.law.estimate(state, sample, dt)

    def check(self, state, sample, dt):
        return None

    def chosen(self, state):
        return self

    @property
    def title(self):
        return "slow"


def waited(dt, u):
    time.sleep(0.002)
    return dt


def test_a_slow_law_is_saved_in_time_too(tmp_path, whole):
    """Chunks begin with one sample and grow to what is done in time, the first too."""
    law, seen = Slow(LAW, LAW.cost), []
    options = OPTIONS | {"chunk": 100, "checkpoint": tmp_path, "every_seconds": 0.1}
    result = hl.stream(
        law, network(), wave(300), callback=lambda _, k: seen.append(k), **options
    )
    np.testing.assert_array_equal(result.output, whole.output)
    counts = np.diff([0, *seen])
    assert list(counts[:2]) == [1, 1]
    assert max(counts) <= 60


def test_a_slow_source_does_not_keep_samples_back(tmp_path, whole):
    """A block that does not fill in time is learned from and saved as it is."""
    u, y = wave(300)
    names = []

    def slow():
        for k in range(300):
            if k in (30, 31, 60):
                time.sleep(0.11)
                names.append(saved.files(tmp_path)[0].name)
            yield u[k], y[k]

    options = OPTIONS | {"chunk": 100, "checkpoint": tmp_path}
    result = hl.stream(LAW, network(), slow(), every_seconds=0.1, **options)
    _, early, late = (int(name[6:-5]) for name in names)
    assert 0 < early < 31 <= late < 60
    same(result, whole)


@pytest.mark.parametrize("error", [OSError("unplugged"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [1, 19, 20, 77, 200])
def test_what_a_source_delivers_before_it_raises_is_learned(tmp_path, whole, error, at):
    u, y = wave(300)

    def live():
        yield from zip(u[:at], y[:at], strict=True)
        raise error

    with pytest.raises(type(error)):
        hl.stream(LAW, network(), live(), checkpoint=tmp_path, **OPTIONS)
    state = hl.load_state(tmp_path)
    rest = hl.stream(LAW, state, (u[at:], y[at:]), **OPTIONS)
    np.testing.assert_array_equal(rest.output, whole.output[at:])
    same(resumed(tmp_path), whole)


class Full(OSError):
    pass


@pytest.mark.parametrize("name", ["records.bin", ".part"])
def test_a_full_disk_costs_the_checkpoint(name, tmp_path, whole, monkeypatch):
    """The folder stays usable whichever of its files could not be written."""
    real, broken = saved._to_disk, []

    def full(stream):
        if stream.name.endswith(broken[-1]):
            stream.truncate(stream.tell() - 5)  # some of it still fits
            raise Full("No space left on device")
        real(stream)

    monkeypatch.setattr(saved, "_to_disk", full)
    path = tmp_path / "run"
    broken.append("nothing")

    def callback(state, position):
        if position == 100:
            broken.append(name)

    with pytest.warns(UserWarning, match="was not saved: No space left"):
        same(run(path, 300, callback=callback), whole)
    assert saved.files(path)[0].name == "state-80.ckpt"
    broken.append("nothing")
    same(resumed(path), whole)
    same(resumed(path), whole)


def test_records_are_written_once_where_a_state_was_not(tmp_path, whole, monkeypatch):
    real, count = saved.Saved.write, []

    def sometimes(self, file):
        count.append(1)
        if len(count) in (4, 5, 9):
            raise Full("No space left on device")
        real(self, file)

    monkeypatch.setattr(saved.Saved, "write", sometimes)
    with pytest.warns(UserWarning, match="was not saved"):
        run(tmp_path)
    same(resumed(tmp_path), whole)


# SIGTERM.

ENDED = """
import sys
sys.path.insert(0, sys.argv[2])
import jax
jax.config.update("jax_enable_x64", True)
from test_checkpoint import LAW, OPTIONS, network, wave
import hamlearn as hl

def live():
    for k, pair in enumerate(zip(*wave(10**6), strict=True)):
        if k == 130:
            print("here", flush=True)
            __import__("time").sleep(60)
        yield pair

hl.stream(LAW, network(), live(), checkpoint=sys.argv[1], **OPTIONS)
"""


def test_sigterm_saves_as_ctrl_c_does(tmp_path, whole):
    with started(ENDED, tmp_path, Path(__file__).parent) as child:
        assert child.stdout.readline() == "here\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 143
    assert saved.files(tmp_path)[0].name == "state-130.ckpt"
    same(resumed(tmp_path), whole)


def test_sigterm_is_left_alone_where_there_is_nothing_to_save(tmp_path):
    seen = []
    look = lambda state, position: seen.append(signal.getsignal(signal.SIGTERM))
    run(None, callback=look)
    mine = lambda number, frame: None
    signal.signal(signal.SIGTERM, mine)
    try:
        run(tmp_path, callback=look)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert set(seen) == {signal.SIG_DFL, mine}
    run(tmp_path / "other", callback=look)
    assert callable(seen[-1])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# Damage.


def damages(good, parts=60):
    """Every range flipped, left out, doubled, swapped with the next, and what ends
    before it; and a bit of each."""
    ends = np.unique(np.linspace(0, len(good), parts + 1).astype(int))
    for low, high in itertools.pairwise(ends):
        inside, after = good[low:high], good[high : 2 * high - low]
        yield good[:low] + bytes(b ^ 0xFF for b in inside) + good[high:]
        yield good[:low] + bytes([inside[0] ^ 1]) + good[low + 1 :]
        yield good[:low]
        yield good[:low] + good[high:]
        yield good[:high] + good[low:]
        swapped = good[:low] + after + inside + good[high + len(after) :]
        if swapped != good:
            yield swapped


def test_every_byte_is_guarded(tmp_path, whole):
    """Flipped, cut off or longer: the one before is taken, and the end is the same."""
    run(tmp_path, every=100)
    state = tmp_path / "state-200.ckpt"
    good = state.read_bytes()
    size, changed = len(good), list(damages(good))
    changed += [good + b"x", good[: size // 2] + good[: size // 2], b"\n", b"\0" * size]
    for first in range(100):  # every byte of the first line
        changed.append(good[:first] + bytes([good[first] ^ 1]) + good[first + 1 :])
    for data in changed:
        state.write_bytes(data)
        with pytest.raises(saved.UnusableError):
            saved.Saved.read(state)
    for data in changed[:: len(changed) // 5]:
        state.write_bytes(data)
        with pytest.warns(UserWarning, match="`state-100.ckpt` is taken instead"):
            loaded = hl.load_state(tmp_path)
        rest = tuple(a[100:] for a in wave(300))
        same_end = hl.stream(LAW, loaded, rest, **OPTIONS)
        np.testing.assert_array_equal(same_end.output, whole.output[100:])
    with pytest.warns(UserWarning, match="`state-100.ckpt` is taken instead"):
        same(resumed(tmp_path), whole)


WRONG = {
    "is truncated": lambda good: good[: len(good) // 2],
    "is damaged .its checksum": lambda good: good[:-1] + bytes([good[-1] ^ 1]),
    "is not a checkpoint": lambda good: b"PK\x03\x04" + good,
    "is of a later version": lambda good: good.replace(b" 2 ", b" 3 ", 1),
    "is damaged .in its first": lambda good: good.replace(b" 2 ", b" x ", 1),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(tmp_path, what):
    run(tmp_path, every=100)
    for file in saved.files(tmp_path):
        file.write_bytes(WRONG[what](file.read_bytes()))
    for use in (hl.load_state, resumed):
        with pytest.raises(ValueError, match=f"where `state-200.ckpt` {what}"):
            use(tmp_path)


def test_swapped_files_are_not_accepted(tmp_path, whole):
    run(tmp_path / "a", every=100)
    run(tmp_path / "b", every=100, record_every=2)
    one, two = tmp_path / "a" / "state-100.ckpt", tmp_path / "a" / "state-200.ckpt"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    with pytest.raises(ValueError, match=r"`state-200.ckpt` holds state-100.ckpt"):
        resumed(tmp_path / "a")
    one.write_bytes(first)
    two.write_bytes(second)
    mine, other = (tmp_path / name / "records.bin" for name in "ab")
    good = mine.read_bytes()
    mine.write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match=r"needs .*records"):
        resumed(tmp_path / "a")
    mine.write_bytes(good)
    same(resumed(tmp_path / "a"), whole)


def test_records_are_guarded_too(tmp_path, whole):
    run(tmp_path, every=100)
    file = tmp_path / "records.bin"
    good = file.read_bytes()
    before = json.loads((tmp_path / "state-100.ckpt").read_bytes().split(b"\n")[1])
    half = before["records"]["bytes"]
    assert 0 < half < len(good)
    journal = saved.Journal(tmp_path)
    for data in damages(good, 40):
        file.write_bytes(data)
        sound = {"state-100.ckpt": half, "state-200.ckpt": len(good)}
        for name, size in sound.items():
            index = saved.Saved.read(tmp_path / name).index
            if data[:size] == good[:size]:
                journal.read(index["records"])
            else:
                with pytest.raises(saved.UnusableError, match=r"damaged|needs more"):
                    journal.read(index["records"])
        assert hl.load_state(tmp_path).x.shape == (4,)  # needs no records
    file.write_bytes(good[:half])
    with pytest.warns(UserWarning, match="needs more records"):
        same(resumed(tmp_path), whole)
    file.unlink()
    with pytest.raises(ValueError, match=r"needs `records.bin` \(No such file"):
        resumed(tmp_path)
