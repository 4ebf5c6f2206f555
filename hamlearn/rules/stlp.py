"""Spatiotemporal local propagation: learning as constrained, dissipative mechanics."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks
from .._types import Array, Float, Int, Params, PyTree, Scalar
from ..action.cognitive import (
    Coordinates,
    Phase,
    Potential,
    Slack,
    cognitive_lagrangian,
    consistent_start,
    kinetic,
    potential_energy,
    require_rates,
    residual,
    sweeps_needed,
)
from ..action.cost import Cost, output_loss
from ..mechanics.constrained import ConstrainedMotion, constrained_euler_lagrange
from ..mechanics.damping import ExponentialDamping
from ..mechanics.equations import DiagonalMass
from ..mechanics.gram import AbstractGram, Automatic
from ..mechanics.stabilisation import AbstractStabilisation, Baumgarte, Projection
from ..networks.base import AbstractNetwork
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ._base import AbstractConstrained, solver_step


class STLPStill(eqx.Module):
    """What does not move: the rest of the network, choices made, whether begun."""

    frozen: PyTree
    begun: Array
    gram: AbstractGram
    sweeps: int = eqx.field(static=True)


class STLPState(eqx.Module):
    """Coordinates and velocities, and what does not move."""

    flow: Phase
    still: STLPStill

    @property
    def network(self) -> AbstractNetwork:
        """The network with its present weights."""
        return join(self.flow.q.w, self.still.frozen)


class STLPInfo(eqx.Module):
    """Output and loss; L = T - V and the energy T + V, without the factor e^{theta t};
    the largest |G| and |dG/dt|; iterations of the Gram solve (0: direct)."""

    output: Float[Array, "*time outputs"]
    loss: Float[Array, "*time"]
    lagrangian: Float[Array, "*time"]
    energy: Float[Array, "*time"]
    residual: Float[Array, "*time"]
    residual_rate: Float[Array, "*time"]
    iterations: Int[Array, "*time"]


class STLP(AbstractConstrained):
    """Learning as the motion of neurons and weights under constraints.

        m_x (x'' + theta x') = -V_x + G_x^T delta
        m_w (w'' + theta w') = -V_w + G_w^T delta,      G = x - sigma(a(x, w, u)) = 0

    by d'Alembert's principle from the action of e^{theta t} (T - V). The multipliers
    delta hold d^2 G/dt^2 = 0. Given them every neuron and every weight moves by what
    is at hand; they themselves are the solution of a linear system over the whole
    graph, found by exchanges between neighbours (conjugate gradients) or directly.

    As m_x/m_w -> 0 delta tends to Backprop's errors with an error of the order of
    that ratio, and for large dissipation w follows the gradient flow at the rate
    1/(m_w theta). Both are needed: with equal masses the direction is wrong. An input
    that oscillates with m_x omega^2 > 1 makes the motion unstable.

    Samples need the first two derivatives of their input: see `mollify`. Float32
    serves down to m_x/m_w of about 1e-5.

    **Arguments:**

    - `cost`: loss and accuracy q are the potential, with weight decay; `inertia` is
      m_w, `dissipation` theta.
    - `neuron_mass`: m_x > 0, one number or one a neuron.
    - `weight_mass`: masses by name of weight, of one number or one an edge, where they
      differ from the inertia.
    - `slack`: a `Slack` for graphs with cycles, where it is required.
    - `potential`: a further U(network, x, sample) to go down on.
    - `gram`: how the multipliers are solved for; default `Automatic`. A `Result`
      prints what was chosen, `state.still.gram`.
    - `stabilisation`: drift control; default `Projection`, and within the vector
      field `Baumgarte` of rate theta/2.
    - `solver`: any diffrax solver, one step of which is taken a sample; default
      `ExponentialDamping`.

    Betti & Gori (2019), "Spatiotemporal Local Propagation", arXiv 1907.05106.
    """

    cost: Cost
    neuron_mass: Scalar | Float[Array, "neurons"]
    weight_mass: Params
    slack: Slack | None
    potential: Potential | None
    gram: AbstractGram
    stabilisation: AbstractStabilisation
    solver: dfx.AbstractSolver

    def __init__(
        self,
        cost: Cost | None = None,
        *,
        neuron_mass: Any = 1e-3,
        weight_mass: dict[str, Any] | None = None,
        slack: Slack | None = None,
        potential: Potential | None = None,
        gram: AbstractGram | None = None,
        stabilisation: AbstractStabilisation | None = None,
        solver: dfx.AbstractSolver | None = None,
    ):
        self.cost = Cost() if cost is None else cost
        _checks.instance("cost", self.cost, Cost)
        _checks.positive("neuron_mass", neuron_mass)
        weight_mass = {} if weight_mass is None else weight_mass
        for name, mass in weight_mass.items():
            _checks.positive(f"weight_mass[{name!r}]", mass)
        theta = self.cost.dissipation
        self.neuron_mass = jnp.asarray(neuron_mass)
        self.weight_mass = {name: jnp.asarray(m) for name, m in weight_mass.items()}
        self.slack, self.potential = slack, potential
        self.gram = Automatic() if gram is None else gram
        within = Projection(within=Baumgarte(theta / 2, theta / 2))
        self.stabilisation = within if stabilisation is None else stabilisation
        self.solver = ExponentialDamping(theta) if solver is None else solver
        _checks.instance("slack", slack, (Slack, type(None)))
        _checks.instance("gram", self.gram, AbstractGram)
        _checks.instance("stabilisation", self.stabilisation, AbstractStabilisation)
        _checks.instance("solver", self.solver, dfx.AbstractSolver)

    @property
    def jumps(self) -> bool:
        return False  # the exact flow stays where projections put it

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> STLPState:
        network = as_network(network, x0)
        x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
        w, frozen = split(network)
        for name in self.weight_mass:
            if name not in w:
                _checks.reject("weight_mass", f"masses of {sorted(w)}", repr(name))
        room = None if self.slack is None else jax.tree.map(jnp.zeros_like, x)
        q = Coordinates(x, w, room)
        still = STLPStill(
            frozen,
            jnp.zeros((), bool),
            self.gram.bind(network, self._ratio()),
            sweeps_needed(network, self.slack),
        )
        return STLPState(Phase(q, jax.tree.map(jnp.zeros_like, q)), still)

    def chosen(self, state):
        return eqx.tree_at(lambda law: law.gram, self, state.still.gram)

    def begin(self, state, t, signal, *, x0=None):
        require_rates(signal)
        start = self._start(state.flow, state.still, t, signal)
        if x0 is not None and self.slack is None:
            gap = _largest(jax.tree.map(jnp.subtract, state.flow.q.x, start.q.x))
            if gap > jnp.sqrt(jnp.finfo(gap.dtype).eps):
                wanted = "the forward pass of the input at the start"
                _checks.reject("x0", wanted, f"off by {float(gap):.3g}")
        begun = jnp.ones((), bool)
        return STLPState(start, eqx.tree_at(lambda s: s.begun, state.still, begun))

    def step(self, state, sample, dt):
        require_rates(sample)
        t = jnp.zeros_like(dt)
        still = eqx.tree_at(lambda s: s.begun, state.still, jnp.ones((), bool))
        args = (still, sample)
        start = lambda y: self._start(y, still, t, sample)
        y = jax.lax.cond(state.still.begun, lambda y: y, start, state.flow)
        y = self.project(t, y, args)
        info = self.observe(t, y, args)
        return STLPState(solver_step(self.solver, self, y, args, dt), still), info

    def vector_field(self, t, y: Phase, args) -> Phase:
        """(v, a) with the multipliers solved for at (t, y)."""
        return Phase(*self.motion(args[0].gram)(t, y, args))

    def project(self, t, y: Phase, args) -> Phase:
        """y on the constraints, as `stabilisation` wants it; for `Projected` too."""
        newton = self.stabilisation.projections
        if newton == 0:
            return y
        return Phase(*self.motion(args[0].gram).project(t, y, args, newton=newton))

    def gradient(self, t: Any, y: Phase, args: Any) -> Params:
        """V_w - G_w^T delta, what stands where gradient descent has its gradient."""
        at = self.motion(args[0].gram).react(t, y, args)
        theta = self.cost.dissipation
        momentum = jax.grad(kinetic, argnums=1)(self._masses(y.v), y.v)
        return jax.tree.map(
            lambda f, r, p: -f - r - theta * p,
            at.force.w,
            at.reaction.w,
            momentum.w,
        )

    def observe(self, t, y: Phase, args) -> STLPInfo:
        still, signal = args
        sample, network = signal(t), join(y.q.w, still.frozen)
        output = network.readout(y.q.x, sample.input)
        T = kinetic(self._masses(y.v), y.v)
        V = potential_energy(
            self.cost, network, y.q, sample, slack=self.slack, potential=self.potential
        )
        at = self.motion(still.gram).react(t, y, args)
        return STLPInfo(
            output,
            output_loss(self.cost, output, sample),
            T - V,
            T + V,
            _largest(at.G),
            _largest(at.G_dot),
            at.iterations,
        )

    def motion(self, gram: AbstractGram) -> ConstrainedMotion:
        """The equations of motion, from the Lagrangian and the residual."""

        def lagrangian(t, q, v, args):
            still, signal = args
            return cognitive_lagrangian(
                self.cost, join(q.w, still.frozen), q, v, self._masses(v), signal(t),
                slack=self.slack, potential=self.potential,
            )  # fmt: skip

        def constraint(t, q, args):
            still, signal = args
            return residual(join(q.w, still.frozen), q, signal(t).input)

        return constrained_euler_lagrange(
            lagrangian,
            constraint,
            dissipation=self.cost.dissipation,
            stabilisation=self.stabilisation,
            linear_solver=DiagonalMass(),
            gram=gram,
        )

    def flow(self, state: STLPState) -> Phase:
        return state.flow

    def still(self, state: STLPState) -> STLPStill:
        return state.still

    def join(self, flow: Phase, still: STLPStill) -> STLPState:
        return STLPState(flow, still)

    def _start(self, y, still, t, signal):
        return consistent_start(still.frozen, y, t, signal, sweeps=still.sweeps)

    def _masses(self, v: Coordinates) -> Coordinates:
        slack = self.slack
        room = None if slack is None else jax.tree.map(lambda _: slack.mass, v.slack)
        weights = {name: self.weight_mass.get(name, self.cost.inertia) for name in v.w}
        return Coordinates(jax.tree.map(lambda _: self.neuron_mass, v.x), weights, room)

    def _ratio(self) -> float:
        """The largest m_x/m_w, for the choice of a Gram solver."""
        masses = [self.cost.inertia, *self.weight_mass.values()]
        if any(isinstance(mass, Tracer) for mass in [*masses, self.neuron_mass]):
            return float("inf")  # unknown inside a transformation
        lightest = min(float(np.min(mass)) for mass in masses)
        return float(np.max(self.neuron_mass)) / lightest


def _largest(tree: PyTree) -> Scalar:
    return jnp.max(
        jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)])
    )
