"""Laws on several devices beside one, for `test_devices`: prints what differs, in JSON.

python devices.py one                  # four devices of one process
python devices.py PORT PROCESS         # two devices of one of two processes
"""

import json
import sys
from functools import cache

import jax
import numpy as np
import optax
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import hamlearn as hl

jax.config.update("jax_enable_x64", True)
MANY = sys.argv[1] == "one"
STREAMS, NODES, STEPS, DT = 8, 64, 40, 0.1


def laws():
    """By name; made late, for no array may be before the processes have met."""
    sgd = hl.updates.Optax(optax.sgd, learning_rate=0.05)
    return {
        "hamiltonian": hl.HamiltonianLearning(inertia=2.0, dissipation=1.0),
        "rtrl": hl.RTRL(update=sgd),
        "rtrl in blocks": hl.RTRL(update=sgd, block=8),
        "bptt": hl.BPTT(update=sgd, window=10),
        "bptt, run again": hl.BPTT(
            update=sgd, window=10, memory=hl.costates.Checkpoints()
        ),
        "eprop": hl.EProp(update=sgd),
        "hops": hl.laws.Hops(update=sgd),
        "gle": hl.GLE(update=sgd),
    }


def network(name: str, graph: hl.Digraph):
    given = {"inputs": 2, "outputs": 1, "gain": 0.3, "key": jax.random.key(1)}
    if name != "gle":
        return hl.RateNetwork(graph, time_constant=0.5, **given)
    times = {"membrane_time_constant": 0.5, "prospective_time_constant": 0.3}
    return hl.VoltageNetwork(graph, **given, **times)


def samples(streams=()):
    phases = np.arange(streams[0]) if streams else 0
    t = DT * np.arange(STEPS).reshape(-1, *[1] * len(streams)) + phases
    u = np.stack([np.sin(t), np.cos(2 * t)], axis=-1)
    return hl.Sample(u, np.cos(t)[..., None])


def run(law, state, given):
    state, infos = hl.scan(law, state, given, DT)
    return state.x, state.w, infos.loss, infos.output


def difference(a, b):
    """The largest, over the largest number."""
    pairs = list(zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    return max(float(np.abs(x - y).max() / np.abs(y).max()) for x, y in pairs)


def whole(tree):
    """All of it on every process."""
    return multihost_utils.process_allgather(tree, tiled=True)


def placed(tree, sharding_of):
    """Arrays of which every process knows all, each where `sharding_of` says."""

    def place(leaf):
        if not isinstance(leaf, jax.Array | np.ndarray):
            return leaf
        where = sharding_of(leaf)
        return jax.make_array_from_callback(
            leaf.shape, where, lambda part: np.asarray(leaf)[part]
        )

    return jax.tree.map(place, tree)


@cache
def alone(name, of):
    """(law, state, samples, what one device makes of them)."""
    law = laws()[name]
    if of == "streams":
        net = network(name, hl.Digraph.complete(6, self_loops=True))
        state, given = law.init(hl.Batch(net, STREAMS)), samples((STREAMS,))
    else:
        graph = hl.Digraph.random(NODES, in_degree=5, key=jax.random.key(2))
        state, given = law.init(network(name, graph)), samples()
    found = jax.jit(lambda s, g: run(law, s, g))(state, given)
    return law, state, given, jax.tree.map(np.asarray, found)


def of_streams(name, mesh):
    """A batch of streams, divided among the devices of a mesh."""
    law, state, given, wanted = alone(name, "streams")
    split = placed(given, lambda leaf: NamedSharding(mesh, P(None, "streams")))
    state = placed(state, lambda leaf: NamedSharding(mesh, P()))
    found = jax.jit(lambda s, g: run(law, s, g))(state, split)
    devices = len(found[3].sharding.device_set)
    return difference(whole(found), wanted), devices


def of_nodes(name, mesh):
    """A large graph, whose nodes and the edges into them are divided."""
    law, state, given, wanted = alone(name, "nodes")
    nodes = lambda leaf: P("nodes") if leaf.shape[:1] == (NODES,) else P()
    state = placed(state, lambda leaf: NamedSharding(mesh, nodes(leaf)))
    placed_given = placed(given, lambda leaf: NamedSharding(mesh, P()))
    found = jax.jit(lambda s, g: run(law, s, g))(state, placed_given)
    divided = not found[1]["weight"].sharding.is_fully_replicated
    apart = difference(whole(found), wanted)
    if MANY:  # the front door takes a state that is divided, too
        result = hl.stream(law, state, given, dt=DT, chunk=16, progress=False)
        divided = divided and not result.state.w["weight"].sharding.is_fully_replicated
        apart = max(apart, difference(result.state.w, wanted[1]))
    return apart, divided


def main() -> None:
    kinds = {"auto": AxisType.Auto, "explicit": AxisType.Explicit}
    if not MANY:
        port, process = sys.argv[1:]
        jax.distributed.initialize(f"localhost:{port}", 2, int(process))
        kinds.pop("explicit")
    count, found = jax.device_count(), {}
    for kind, axis in kinds.items():
        mesh = jax.make_mesh((count,), ("streams",), axis_types=(axis,))
        for name in laws() if MANY else ("hamiltonian", "bptt"):
            found[f"{kind}, {name}"] = of_streams(name, mesh)
        mesh = jax.make_mesh((count,), ("nodes",), axis_types=(axis,))
        for name in ("hamiltonian", "eprop", "hops") if MANY else ("hamiltonian",):
            found[f"{kind}, nodes, {name}"] = of_nodes(name, mesh)
    print(json.dumps({"devices": count, "found": found}))


if __name__ == "__main__":
    main()
