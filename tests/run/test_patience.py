"""What takes longer than two seconds says so, and no more than that."""

import io
import re
import time

import jax
import jax.numpy as jnp

import hamlearn as hl
from hamlearn.run.patience import Patience


class Terminal(io.StringIO):
    def isatty(self):
        return True


def listen(monkeypatch, stream):
    """A standard error to look at; not a fixture, which pytest's own comes after."""
    monkeypatch.setattr("sys.stderr", stream)
    return stream


def until(said, seconds=20):
    """Waits for a word, however slow the machine."""
    began = time.monotonic()
    while not said() and time.monotonic() < began + seconds:
        time.sleep(0.01)
    return time.monotonic() - began


def test_what_is_short_says_nothing(monkeypatch):
    heard = listen(monkeypatch, io.StringIO())
    with Patience("audit", total=1) as patience:
        patience.at("RTRL")
    assert heard.getvalue() == ""


def test_what_takes_longer_says_what_and_since_when(monkeypatch):
    heard = listen(monkeypatch, io.StringIO())
    with Patience("audit", total=3) as patience:
        patience.at("RTRL")
        patience.at("STLP")
        assert until(heard.getvalue) > 1.9
    assert re.match(r"audit: STLP \(2 of 3\), \d+ s\n", heard.getvalue())


def test_on_a_terminal_one_line_goes_away(monkeypatch, capsys):
    stream = listen(monkeypatch, Terminal())
    with Patience("solve") as patience:
        until(stream.getvalue)
        with patience.aside():
            print("a row")
        line = r"(\r\x1b\[Ksolve: \d+ s)+\r\x1b\[K$"
        assert re.match(line, stream.getvalue())
    assert capsys.readouterr().out == "a row\n"


def test_none_is_said_without_progress(monkeypatch):
    heard = listen(monkeypatch, io.StringIO())
    with Patience("audit", progress=False):
        time.sleep(2.2)
    assert heard.getvalue() == ""


def test_a_long_solve_says_how_far_it_has_come(monkeypatch):
    said = []
    monkeypatch.setattr(Patience, "hear", lambda self, part: said.append(part))
    net = hl.RateNetwork(hl.Digraph(2, [0], [1]), key=jax.random.key(0))
    law = hl.HamiltonianLearning(hl.Cost(loss_weight=100.0), dissipation=20.0)
    signal = hl.Signal(None, lambda t: jnp.sin(t)[None])
    result = hl.solve(law, net, signal, t0=0.0, t1=40.0)
    jax.effects_barrier()
    shares = [int(part.split()[0]) for part in said]
    assert len(shares) == result.samples // 256 > 1
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 100
    said.clear()
    hl.solve(law, net, signal, t0=0.0, t1=40.0, progress=False)
    assert said == []
