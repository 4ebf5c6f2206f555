"""The local equations of STLP, written out by hand: the reference for the library."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl
from hamlearn.networks.partition import join


def dag(key, *, neurons=9, in_degree=3, inputs=3, learn=("weight", "input_weight")):
    """A random feedforward network of tanh neurons, three of which hear inputs."""
    graph = hl.Digraph.random(neurons, in_degree=in_degree, acyclic=True, key=key)
    network = hl.RateNetwork(
        graph, inputs=inputs, outputs=2, input_nodes=[0, 1, 4], key=key,
        learn=learn,
    )  # fmt: skip
    return network


def moving_signal():
    """Three sinusoids in, two targets out."""
    omega = jnp.array([1.0, 1.7, 0.6])
    return hl.Signal(
        input=lambda t: jnp.sin(omega * t + jnp.arange(3.0)),
        target=lambda t: jnp.array([0.6, -0.4]) * jnp.cos(t),
    )


def chain(key):
    """Two tanh neurons in a row, the first of which hears the input."""
    network = hl.RateNetwork(
        hl.Digraph(2, [0], [1]), inputs=1, input_nodes=[0], key=key,
        learn=("weight", "input_weight"),
    )  # fmt: skip
    put = lambda n: (n.weight, n.input_weight)
    return hl_replace(network, put, (jnp.array([0.5]), jnp.array([[0.8]])))


def chain_signal():
    """u = 0.8 + 0.4 sin 1.5 t, y = 0.6."""
    return hl.Signal(
        input=lambda t: jnp.atleast_1d(0.8 + 0.4 * jnp.sin(1.5 * t)),
        target=lambda t: jnp.full(1, 0.6, jnp.result_type(t)),
    )


def linear_neuron(w0=0.0):
    """An input neuron x_0 = u and a linear neuron x_1 = w x_0."""
    network = hl.RateNetwork(
        hl.Digraph(2, [0], [1]), inputs=1, input_nodes=[0], activation=lambda a: a,
        learn=("weight",), key=jax.random.key(0),
    )  # fmt: skip
    put = lambda n: (n.weight, n.input_weight)
    weights = (jnp.full_like(network.weight, w0), jnp.ones((1, 1)))
    return hl_replace(network, put, weights)


def hl_replace(network, where, values):
    import equinox as eqx

    return eqx.tree_at(where, network, values)


def local_accelerations(network, q, v, u, y, *, masses, theta, decay=0.0, kappa=None):
    """x'', w'' and B'' by the published sums over parents and children, in NumPy.

    `masses` are (m_x, m_w, m_B[, m_s]) as arrays; `u` is (u, u', u'').
    """
    W, W1 = matrix(network, q.w["weight"]), matrix(network, v.w["weight"])
    B, B1 = inputs(network, q.w["input_weight"]), inputs(network, v.w["input_weight"])
    x, x1 = np.asarray(q.x), np.asarray(v.x)
    (u, u1, u2), n = map(np.asarray, u), len(x)
    m_x, m_w, m_b, m_s = masses
    mask = matrix(network, np.ones_like(q.w["weight"]))
    heard = inputs(network, np.ones_like(q.w["input_weight"]))
    m_w, m_b = matrix(network, m_w) + (1 - mask), inputs(network, m_b) + (1 - heard)
    s = np.tanh(W @ x + B @ u + np.asarray(network.bias))
    s1, s2 = 1 - s**2, -2 * s * (1 - s**2)
    a1 = W1 @ x + W @ x1 + B1 @ u + B @ u1
    Gx = np.eye(n) - s1[:, None] * W
    D = s1**2 * ((mask / m_w) @ x**2 + (heard / m_b) @ u**2)
    A = Gx @ np.diag(1 / m_x) @ Gx.T + np.diag(D)
    gamma = -s2 * a1**2 - s1 * (2 * W1 @ x1 + 2 * B1 @ u1 + B @ u2)
    Vx = np.zeros(n)
    out = np.arange(n)[-len(y) :]
    Vx[out] = x[out] - y
    V_w, V_b = decay * W, decay * B
    weights = -s1 * (np.sum(V_w / m_w * x, 1) + np.sum(V_b / m_b * u, 1))
    moved = Gx @ x1 - s1 * (W1 @ x + B1 @ u)
    rho = -gamma + Gx @ (Vx / m_x) + weights + theta * moved
    room = 0.0
    if kappa is not None:
        room, room1 = np.asarray(q.slack), np.asarray(v.slack)
        A = A + np.diag(1 / m_s)
        rho = rho - kappa * room / m_s - theta * room1
    delta = np.linalg.solve(A, rho)
    x2 = -theta * x1 + (-Vx + Gx.T @ delta) / m_x
    w2 = -theta * W1 + (-V_w - np.outer(delta * s1, x)) * mask / m_w
    b2 = -theta * B1 + (-V_b - np.outer(delta * s1, u)) * heard / m_b
    s_2 = None if kappa is None else -theta * room1 + (-kappa * room - delta) / m_s
    edges = np.asarray(network.graph.receivers), np.asarray(network.graph.senders)
    nodes = np.arange(n)[np.any(heard > 0, 1)]
    return x2, w2[edges].reshape(q.w["weight"].shape), b2[nodes], s_2


def matrix(network, weight):
    """Edge weights as a matrix, rows receive."""
    n, graph = network.graph.num_nodes, network.graph
    dense = np.zeros((n, n))
    dense[np.asarray(graph.receivers), np.asarray(graph.senders)] = np.ravel(weight)
    return dense


def inputs(network, weight):
    """Input weights with a row for every neuron."""
    nodes = network.input_nodes.take(jnp.arange(float(network.graph.num_nodes)))
    dense = np.zeros((network.graph.num_nodes, np.shape(weight)[1]))
    dense[np.asarray(nodes, int)] = weight
    return dense


def forward(network, u, sweeps=60):
    """x = sigma(W x + B u + b), by iteration."""
    sweep = lambda x, _: (network.activation(network.drive(x, u)), None)
    return jax.lax.scan(sweep, jnp.zeros(network.graph.num_nodes), length=sweeps)[0]


def loss_at(frozen, sample, sweeps=60):
    """The loss of the forward pass (or fixed point) as a function of the weights."""

    def loss(w):
        network = join(w, frozen)
        x = forward(network, sample.input, sweeps)
        y = network.readout(x, sample.input)
        return jnp.sum((y - sample.target) ** 2) / 2

    return loss


def gradient_flow(frozen, w, signal, rate, t1, sweeps=60):
    """w at t1 under dw/dt = -rate grad loss(t)."""

    def field(t, w, args):
        slope = jax.grad(loss_at(frozen, signal(t), sweeps))(w)
        return jax.tree.map(lambda g: -rate * g, slope)

    solution = dfx.diffeqsolve(
        dfx.ODETerm(field), dfx.Tsit5(), 0.0, t1, None, w,
        stepsize_controller=dfx.PIDController(rtol=1e-8, atol=1e-10), max_steps=20_000,
    )  # fmt: skip
    return jax.tree.map(lambda leaf: leaf[-1], solution.ys)


def flat(w):
    """All numbers of a dictionary of weights."""
    return np.concatenate([np.ravel(w[name]) for name in sorted(w)])


def relative(a, b):
    """|a - b| / |b| over all weights."""
    return float(np.linalg.norm(flat(a) - flat(b)) / np.linalg.norm(flat(b)))


def first(sample):
    """The first of many samples."""
    return jax.tree.map(lambda leaf: leaf[0], sample)
