"""Spatiotemporal local propagation: learning as constrained, dissipative mechanics."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Neurons, Number, Params, PyTree, Scalar, Values
from ..action.cognitive import (
    OwnConstraint,
    OwnLagrangian,
    Phase,
    Potential,
    Slack,
    cognitive_lagrangian,
    consistent_start,
    constraint,
    require_rates,
    sweeps_needed,
)
from ..action.cost import Cost, as_number, output_loss
from ..action.trees import scaled, squared_norm
from ..mechanics.constrained import ConstrainedMotion, constrained_euler_lagrange
from ..mechanics.damping import ExponentialDamping
from ..mechanics.equations import DiagonalMass, energy
from ..mechanics.gram import AbstractGram
from ..mechanics.iterations import Automatic
from ..mechanics.stabilisation import AbstractStabilisation, Baumgarte, Projection
from ..networks.dynamics import started
from ..networks.partition import join, split
from ..networks.rest import Settling
from ..signals.signal import Sample, Signal
from ..updates.inertia import chosen
from .base import AbstractFlow, Info, Rest, State, check_solver, solver_step
from .stlp_state import (
    Choices,
    Constrained,
    begun_at,
    joined,
    largest,
    mass_ratio,
    masses,
    phase,
    require_start,
)


class STLP(AbstractFlow):
    """Learning as the motion of neurons and weights under constraints.

        m_x (x'' + theta x') = -V_x + G_x^T delta
        m_w (w'' + theta w') = -g,   g = dM/dw = V_w - G_w^T delta
        G = x - sigma(a(x, w, u)) = 0

    by d'Alembert's principle from the action of e^{theta t} (T - V). The multipliers
    delta hold d^2 G/dt^2 = 0: given them every neuron and every weight moves by what
    is at hand; they themselves solve a linear system over the whole graph.

    Imposed as a constraint; multipliers lam = -delta from a Gram solve; inertia, which
    they need to know, so that no other update will do.

    As m_x/m_w -> 0 delta tends to Backprop's errors, to the order of that ratio, and
    for large dissipation w follows the gradient flow at the rate 1/(m_w theta): with
    equal masses the direction is wrong. An input that oscillates with
    m_x omega^2 > 1 makes the motion unstable.

    Samples need two derivatives of their input (`mollify`) and the network forward-mode
    ones (see `RTRL`). Float32 serves down to m_x/m_w of about 1e-5.

    **Arguments:**

    - `cost`: q loss and weight decay are the potential.
    - `inertia`: m_w > 0; `dissipation`: theta >= 0, in 1/time. By default theta =
      sqrt((q + r_w)/m_w) and m_w = 1; with no mass and no theta, m_w = (q + r_w)/1000:
      weights that react within 0.03 units of time.
    - `neuron_mass`: m_x > 0, one number or one per neuron; by default 1e-3 m_w.
    - `weight_mass`: by name of weight, where it differs from the inertia.
    - `slack`: a `Slack` for graphs with cycles, where it is required.
    - `potential`: a further U(network, x, sample) to go down on.
    - `lagrangian`: your own L(network, q, v, sample) in place of T - V, with a
      diagonal mass matrix; `constraint`: your own G(network, q, sample), of one number
      per neuron. q and v are `Coordinates` (x, w, slack), `network` holds w.
    - `gram`: how the multipliers are solved for; default `Automatic`.
    - `stabilisation`: drift control; default `Projection`, and within the vector
      field `Baumgarte` of rate theta/2.
    - `solver`: of diffrax, one step per sample; default `ExponentialDamping`.

    Betti & Gori (2019), "Spatiotemporal Local Propagation", arXiv 1907.05106.
    """

    cost: Cost
    inertia: Scalar
    dissipation: Scalar
    neuron_mass: Scalar | Neurons
    weight_mass: Params
    slack: Slack | None
    potential: Potential | None
    lagrangian: OwnLagrangian | None
    constraint: OwnConstraint | None
    gram: AbstractGram
    stabilisation: AbstractStabilisation
    solver: dfx.AbstractSolver | None

    def __init__(
        self,
        cost: Cost | None = None,
        *,
        inertia: Number | None = None,
        dissipation: Number | None = None,
        neuron_mass: Values | None = None,
        weight_mass: dict[str, Values] | None = None,
        slack: Slack | None = None,
        potential: Potential | None = None,
        lagrangian: OwnLagrangian | None = None,
        constraint: OwnConstraint | None = None,
        gram: AbstractGram | None = None,
        stabilisation: AbstractStabilisation | None = None,
        solver: dfx.AbstractSolver | None = None,
    ):
        self.cost = Cost() if cost is None else cost
        _checks.instance("cost", self.cost, Cost)
        given = neuron_mass is not None
        r, theta = chosen(self.cost, inertia, dissipation, given=given)
        neuron_mass = 1e-3 * r if neuron_mass is None else neuron_mass
        weight_mass = {} if weight_mass is None else weight_mass
        _checks.instance("weight_mass", weight_mass, dict)
        masses = {"neuron_mass": neuron_mass}
        masses |= {f"weight_mass[{name!r}]": m for name, m in weight_mass.items()}
        for name, mass in masses.items():
            _checks.positive(name, mass)
        self.inertia, self.dissipation = as_number(r), as_number(theta)
        self.neuron_mass = as_number(neuron_mass)
        self.weight_mass = {name: as_number(m) for name, m in weight_mass.items()}
        self.slack, self.potential = slack, potential
        self.lagrangian, self.constraint = lagrangian, constraint
        self.gram = Automatic() if gram is None else gram
        half = self.dissipation / 2
        within = Projection(within=Baumgarte(half, half))
        self.stabilisation = within if stabilisation is None else stabilisation
        self.solver = solver
        kinds = {"gram": AbstractGram, "stabilisation": AbstractStabilisation}
        none = type(None)
        kinds |= {"slack": (Slack, none)}
        for name, kind in kinds.items():
            _checks.instance(name, getattr(self, name), kind)
        if solver is not None:
            check_solver(solver)
        given = {"potential": potential, "lagrangian": lagrangian}
        _checks.functions(given | {"constraint": constraint}, "network, q and sample")

    @property
    def title(self) -> str:
        return "STLP"

    def init(self, network, *, x0=None, key=None) -> State:
        network, x = started(network, x0, key)
        w, frozen = split(network)
        for name in self.weight_mass.keys() - w.keys():
            _checks.reject("weight_mass", f"masses of {sorted(w)}", repr(name))
        room = None if self.slack is None else jax.tree.map(jnp.zeros_like, x)
        zeros = lambda tree: jax.tree.map(jnp.zeros_like, tree)
        begun = jnp.zeros((), jnp.result_type(*jax.tree.leaves(x)))
        credit = Constrained(zeros(x), room, room, begun)
        own = self.constraint is not None
        gram = self.gram.bind(network, mass_ratio(self), own=own)
        settle = Settling.of(network, sweeps_needed(network, self.slack))
        return State(x, w, credit, zeros(w), Rest(frozen, Choices(gram, settle)))

    def begin(self, state: State, t: Number, signal: Signal | Sample) -> State:
        """The state moved onto the constraints at time t of the signal."""
        require_rates(signal)
        settle = state.rest.fixed.settle
        flow = consistent_start(state.rest.frozen, phase(state), t, signal, settle)
        return joined(flow, jnp.ones_like(state.credit.begun), state.rest)

    def step(self, state, sample, dt):
        state, sample, reaction, info = self._placed(state, sample, dt)
        if self.solver is not None:
            field = self.vector_field
            return solver_step(self.solver, field, state, sample, dt), info
        damping = ExponentialDamping(self.dissipation)
        flow = damping.advance(phase(state), reaction.acceleration, dt)
        return joined(Phase(*flow), state.credit.begun, state.rest), info

    def estimate(self, state, sample, dt):
        placed, _, reaction, _ = self._placed(state, sample, dt)
        # Neurons follow weights at rest; the weights' velocities are kept for later.
        rested = eqx.tree_at(
            lambda s: s.update, state, jax.tree.map(jnp.zeros_like, state.update)
        )
        after, info = self._held().step(rested, sample, dt)
        held = State(after.x, state.w, after.credit, state.update, state.rest)
        return self._gradient(placed, reaction), held, info

    def check(self, state: State, sample: Sample, dt: Number) -> None:
        """`x0`, where given, fits the first sample without slack."""
        require_rates(sample)
        if self.slack is None:
            require_start(self, state, sample)

    def chosen(self, state):
        return eqx.tree_at(lambda law: law.gram, self, state.rest.fixed.gram)

    def no_rates(self) -> str | None:
        return None

    def vector_field(self, t: Number, y: State, args: PyTree) -> State:
        """(v, a) with the multipliers solved for at (t, y)."""
        rest, _ = args
        v, a = self.motion(rest.fixed.gram)(t, phase(y), args)
        return joined(Phase(v, a), jnp.zeros_like(y.credit.begun), None)

    def project(self, t: Number, y: State, args: PyTree) -> State:
        """y on the constraints, as `stabilisation` wants it; for `Projected` too."""
        motion, newton = self.motion(args[0].fixed.gram), self.stabilisation.projections
        flow = motion.project(t, phase(y), args, newton=newton) if newton else phase(y)
        return joined(Phase(*flow), y.credit.begun, y.rest)

    def observe(self, t: Number, y: State, args: PyTree) -> Info:
        """Output and loss; L = T - V and the energy T + V, without the factor
        e^{theta t}; the largest |G| and |dG/dt|; iterations of the Gram solve."""
        reaction = self.motion(args[0].fixed.gram).react(t, phase(y), args)
        return self._info(t, y, args, reaction)

    def motion(self, gram: AbstractGram) -> ConstrainedMotion:
        """The equations of motion, from the Lagrangian and the constraint."""
        return constrained_euler_lagrange(
            self._lagrangian,
            self._constraint,
            dissipation=self.dissipation,
            stabilisation=self.stabilisation,
            linear_solver=DiagonalMass(),
            gram=gram,
        )

    def _placed(self, state, sample, dt):
        """(the state on its constraints, sample, the reaction there, info)."""
        require_rates(sample)
        t, args, rest = jnp.zeros_like(dt), (state.rest, sample), state.rest
        state = begun_at(self, state, sample, t)
        newton = self.stabilisation.projections
        motion = self.motion(rest.fixed.gram)
        flow, reaction = motion.settle(t, phase(state), args, newton=newton)
        state = joined(Phase(*flow), state.credit.begun, rest)
        return state, sample, reaction, self._info(t, state, args, reaction)

    def _gradient(self, state, reaction) -> Params:
        """dM/dw = V_w - G_w^T delta: what stands where descent has its gradient."""
        mass, theta = masses(self, phase(state).v).w, self.dissipation
        lost = {k: scaled(theta * mass[k], v) for k, v in state.update.items()}
        return jax.tree.map(
            lambda f, r, p: -f - r - p, reaction.force.w, reaction.reaction.w, lost
        )

    def _info(self, t, y, args, reaction) -> Info:
        rest, signal = args
        sample, network = signal(t), join(y.w, rest.frozen)
        output = network.readout(y.x, sample.input)
        q, v = phase(y)
        more = {
            "lagrangian": self._lagrangian(t, q, v, args),
            "energy": energy(self._lagrangian)(t, q, v, args),
            "residual": largest(reaction.G),
            "residual_rate": largest(reaction.G_dot),
            "iterations": reaction.iterations,
        }
        return Info(output, output_loss(self.cost, output, sample), more)

    def _lagrangian(self, t, q, v, args) -> Scalar:
        rest, signal = args
        return self._scalar(join(q.w, rest.frozen), q, v, signal(t))

    def _scalar(self, network, q, v, sample) -> Scalar:
        if self.lagrangian is not None:
            return self.lagrangian(network, q, v, sample)
        return cognitive_lagrangian(
            self.cost, network, q, v, masses(self, v), sample,
            slack=self.slack, potential=self.potential,
        )  # fmt: skip

    def _held(self) -> "STLP":
        """The same with weights so heavy that nothing moves them."""

        def heavy(network, q, v, sample):
            more = scaled(_HEAVY, squared_norm(v.w)) / 2
            return self._scalar(network, q, v, sample) + more

        is_none = lambda leaf: leaf is None
        return eqx.tree_at(lambda law: law.lagrangian, self, heavy, is_leaf=is_none)

    def _constraint(self, t, q, args) -> PyTree:
        rest, signal = args
        network, sample = join(q.w, rest.frozen), signal(t)
        if self.constraint is not None:
            return self.constraint(network, q, sample)
        return constraint(network, q, sample.input)


_HEAVY = 1e12
