"""What each figure is about: the claim in words, parameters, the checks it shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Exhibit:
    """One figure (or none) with what was claimed and how it was made.

    **Arguments:** `paper`: a key of `PAPERS`; `figure`: file name in its folder;
    `claim`: in words; `parameters`; `checks`: names of claims, or what they begin with.
    """

    paper: str
    title: str
    figure: str | None
    claim: str
    parameters: str
    checks: tuple[str, ...]


#: What is shown, in this order.
PAPERS = {
    "nilp": "Nature-Inspired Local Propagation (Betti & Gori, 2024)",
    "stlp": "Spatiotemporal Local Propagation (Betti & Gori, 2019)",
    "gle": "Latent Equilibrium (Haider et al., 2021) and Generalised Latent "
    "Equilibrium (Ellenberger et al., 2024)",
    "echo": "Recurrent Hamiltonian echo learning (Pourcel & Ernoult, 2025)",
    "mnist1d": "MNIST-1D by Generalised Latent Equilibrium",
}

_FOUND = "c, theta and the bias are not published and were found here"

EXHIBITS = (
    Exhibit(
        "nilp", "Waves over the network", "waves.png",
        "Input travels forward and supervision travels backward at the finite speed "
        "c, so that nothing need wait for anything.",
        "10 levels of 4 neurons, c = 10, resting weights, faint constant input and "
        "constant supervision",
        ("forward_wave", "backward_wave"),
    ),
    Exhibit(
        "nilp", "Tracking a sine", "sine.png",
        "Five fully connected neurons track a signal online by Hamilton's equations "
        "with flipped costates.",
        f"0.5 sin t; q = 100 and 1000, r = 0.1, r_w = 1 as published; {_FOUND}; "
        "Euler, dt = 1e-3; three seeds",
        ("tracks_sine", "tracks_without_dissipation", "reversal_tracks_sine",
         "reversal_cost_over_flip_sine"),
    ),
    Exhibit(
        "nilp", "Tracking a patched signal", "patched.png",
        "The same with a target made of constants and cosines that join with jumps.",
        f"40 patches of 1 to 4 time units; q, r, r_w as published; {_FOUND}",
        ("tracks_patched", "reversal_cost_over_flip_patched"),
    ),
    Exhibit(
        "nilp", "Lagrangian and Hamiltonian", "energy.png",
        "Along a run that tracks, the Hamiltonian stays near zero.",
        "q = 1000, c = 10, theta = 60",
        ("hamiltonian_below_lagrangian",),
    ),
    Exhibit(
        "nilp", "Backpropagation as the limit of infinite speed", "limit.png",
        "As c goes to infinity, costates become backpropagation's errors.",
        "12 tanh neurons, acyclic, moving inputs and targets; c = 3 to 1000; "
        "forward from the exact costate over 6 time units at c = 10",
        ("backprop_limit", "true_costate_forward"),
    ),
    Exhibit(
        "nilp", "The true costate run forward", "forward.png",
        "Errors can be propagated forward through time, from the right start.",
        "Zucchet (2026), on the 12 neurons above at c = 10, runs of 1 to 40 time "
        "constants, double precision",
        ("true_costate_shot",),
    ),
    Exhibit(
        "nilp", "Linear-quadratic control", None,
        "Reversing the costate's time gives a causal law, close to the optimum.",
        "dx/dt = v, cost x²/2 + 0.1 v²/2, x(0) = 1, 10 time units",
        ("lq_",),
    ),
    Exhibit(
        "nilp", "Against the true optimum", None,
        "The flip is causal at a price: its cost over that of the optimum, which "
        "knows the target in advance.",
        "five neurons, q = 100, c = 10, dt = 0.01, windows of 5 time units; three "
        "seeds",
        ("flip_over_optimum", "pontryagin"),
    ),
    Exhibit(
        "nilp", "Equivalences", None,
        "The law contains gradient descent with momentum and backpropagation through "
        "time as special cases.",
        "MLP 4-30-3 over 2000 samples; 12 neurons over 60 steps",
        ("equals_sgd", "reversed_stream", "midpoint"),
    ),
    Exhibit(
        "stlp", "A linear neuron", "stlp_linear_neuron.png",
        "A neuron learns as a constrained mechanical system, from initial conditions "
        "alone, with settling and with oscillating input.",
        "m_x = 0.05, m_w = 1, theta = 1, target 1.5; Dopri8, rtol 1e-10",
        ("stlp_single", "stlp_oscillating"),
    ),
    Exhibit(
        "stlp", "Resonance", "stlp_resonance.png",
        "Oscillating inputs can be learned from.",
        "the linear neuron, u = sin 2t, 40 time units",
        ("stlp_resonance",),
    ),
    Exhibit(
        "stlp", "Drift off the constraints, and its cure", "stlp_drift.png",
        "Numerical errors grow linearly in time; a quadratic potential on the "
        "constraint removes them.",
        "two tanh neurons, m_x = 0.05, kappa = 10, Heun with dt = 0.02",
        ("stlp_drift", "stlp_pot_cancel", "stlp_baum", "stlp_projection"),
    ),
    Exhibit(
        "stlp", "Backpropagation as the limit of high dissipation", "stlp_credit.png",
        "With high dissipation the multipliers become backpropagation's errors.",
        "9 tanh neurons, acyclic, theta = 100, m_w = 1/theta",
        ("stlp_bp",),
    ),
    Exhibit(
        "stlp", "How local is it?", "stlp_exchanges.png",
        "Learning is local in space and time; no backward pass is needed.",
        "40 tanh neurons, acyclic, theta = 100, m_x/m_w = 1e-4",
        ("stlp_locality", "stlp_sweeps"),
    ),
    Exhibit(
        "gle", "The filter picture", "gle_filters.png",
        "Errors computed locally and causally match those of the adjoint method.",
        "one neuron, tau_r = 0.1 tau_m; filters measured with tones",
        ("gle phase", "gle gain"),
    ),
    Exhibit(
        "gle", "A chain of two neurons", "gle_chain.png",
        "Weights and time constants of a chain are found online.",
        "two softplus neurons; teacher w = (1, 2), tau_m = (1, 2); 100 streams, "
        "Adam 1e-4, dt = 0.01, 4000 time units",
        ("chain",),
    ),
    Exhibit(
        "gle", "Credit through slow neurons", "gle_deep.png",
        "Deep weights below slow neurons are learned online, where instantaneous "
        "errors fail.",
        "1-2-2-1 as published; 1-16-16-1 is our own; only the first layer learns",
        ("1-2-2-1", "1-16-16-1"),
    ),
    Exhibit(
        "gle", "Latent equilibrium", "le.png",
        "With prospective rates deep networks of slow neurons answer and learn at "
        "once.",
        "six layers, tau_m = 10 ms; sawtooth from 50 sines of 10 to 500 Hz, 30 tanh",
        ("le,", "six layers", "sawtooth"),
    ),
    Exhibit(
        "gle", "Mackey-Glass", "gle_mackey_glass.png",
        "A chaotic series is forecast online.",
        "delay 17, six units ahead, 1-24-24-1, dt = 0.5, Adam",
        ("mackey-glass",),
    ),
    Exhibit(
        "echo", "The action played back", "echo_error.png",
        "The gradient is the difference of two runs played back; no state is stored, "
        "no Jacobian taken, and it equals BPTT.",
        "16 oscillators with log cosh wells, 100 samples, dt = 0.1; inputs and "
        "targets are noise; claims of one layer, and of two with tanh between them",
        ("echo_",),
    ),
    Exhibit(
        "echo", "The published step", "echo_step.png",
        "The network is reversible, and so its echo the gradient.",
        "the step of the published code (median of five networks) beside one with the "
        "force halfway; 100 samples, dt from 1e-4, as published, to 0.1",
        ("published_step",),
    ),
    Exhibit(
        "echo", "Damping is gain on the way back", "echo_damped.png",
        "Dissipative systems can be played back too.",
        "the action, the sum of e^{theta t} (T - V), one theta for all neurons",
        ("damped_echo",),
    ),
    Exhibit(
        "echo", "No trajectory is stored", None,
        "Memory does not grow with the length of the run.",
        "16 oscillators, 4096 samples; scratch memory as the compiler counts it",
        ("memory_",),
    ),
    Exhibit(
        "echo", "At rest, without symmetric weights", None,
        "Equilibrium propagation of systems that are not conservative gives the exact "
        "gradient in the limit of a weak nudge.",
        "six neurons, dense weights, nudges from 1e-2 to 1e-6; formula derived anew "
        "from the abstract of arXiv 2602.03670",
        ("nudged_rest",),
    ),
    Exhibit(
        "mnist1d", "The committed curve", "mnist1d.png",
        "14,956 parameters learn MNIST-1D online to 91.7 ± 0.8 % in 150 epochs.",
        "100 streams, an update every step, Adam with a rate that falls to its end "
        "over the planned epochs; one seed, float32, CPU",
        ("mnist1d",),
    ),
)  # fmt: skip
