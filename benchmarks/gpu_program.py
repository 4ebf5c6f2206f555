"""What XLA makes of a step on a GPU: its kernels, and how often weights are moved.

    python -m benchmarks.gpu_program

Compiled ahead of time for an H100 and not run: no GPU is needed, only `jax[cuda12]` and
a driver library. Where there is no driver, any `libcuda.so.1` will do in which
`cuInit`, `cuDeviceGetCount` and `cuDriverGetVersion` return 0, and count no device.

An array is counted once for each kernel that reads or writes all of it; kernels that
pick some entries out of it do not count.
"""

import re
from typing import Any

import jax
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from ._measure import over_samples
from ._record import write
from ._subjects import Setting, learners
from .roofline import PASSES

SETTINGS = (Setting(4096, 64), Setting(64, 64, copies=4096))
NAME = "NVIDIA H100 80GB HBM3"
TARGET = f"""
gpu_device_info {{
  cuda_compute_capability {{ major: 9 minor: 0 }}
  core_count: 132  fpus_per_core: 128  clock_rate_ghz: 1.98
  threads_per_warp: 32  threads_per_block_limit: 1024  threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647  block_dim_limit_y: 65535  block_dim_limit_z: 65535
  shared_memory_per_block: 49152  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  registers_per_block_limit: 65536  registers_per_core_limit: 65536
  memory_bandwidth: 3350000000000  l2_cache_size: 52428800
  device_memory_size: 85000000000
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 8 }}
device_description_str: "{NAME}"
"""
_PART = re.compile(r"^(?:ENTRY )?%([\w.\-]+) .*?^}", re.DOTALL | re.MULTILINE)
#: Instructions that move nothing.
_FREE = {"get-tuple-element", "parameter", "tuple", "bitcast", "constant"}
_PICK = {"slice", "dynamic-slice", "gather"}
_LINE = re.compile(
    r"\s*(?:ROOT )?%(?P<name>[\w.\-]+) = (?P<type>\(.*?\)|\S+) (?P<op>[\w\-]+)"
    r"\((?P<given>.*?)\)(?:,|$)"
)


def main() -> None:
    """Count every law at every setting."""
    described = topologies.get_topology_desc(
        platform="cuda", topology="1x1x1", target_config=TARGET
    )
    device = SingleDeviceSharding(described.devices[0])
    jax.config.update("jax_default_matmul_precision", "highest")
    rows = []
    for setting in SETTINGS:
        for name, passes in ((k, PASSES[k]) for k in learners() if k in PASSES):
            text, scratch = _compiled(name, setting, device)
            networks = max(setting.copies, 1)
            kernels, moved = count(text, 4 * setting.n**2 * networks)
            row = {"law": name, "neurons": setting.n, "networks": networks}
            row |= {"kernels": kernels, "arrays_moved": moved, "passes": passes}
            rows.append(row | {"scratch_bytes": scratch})
            print(rows[-1], flush=True)
    print("wrote", write("gpu_program", rows, target=NAME, dtype="float32"))


def _compiled(name: str, setting: Setting, device: Any) -> tuple[str, int]:
    """(the program of a block of samples, bytes of its scratch)."""
    run, given = over_samples(*learners()[name](setting), 1.0, copies=setting.copies)
    placed = lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device)
    lowered = jax.jit(run, out_shardings=device).lower(*jax.tree.map(placed, given))
    program = lowered.compile()
    memory = program.memory_analysis()
    return program.as_text() or "", memory.temp_size_in_bytes if memory else 0


def count(text: str, array_bytes: int) -> tuple[int, int]:
    """(kernels, large arrays read or written) of one turn of the outermost loop."""
    parts = {m[1]: m[0] for m in _PART.finditer(text)}
    body = re.search(r"body=%([\w.\-]+)", _entry(text))
    lines = _lines(parts[body[1]]) if body else []
    types = {line["name"]: line["type"] for line in lines}
    large = lambda kind: sum(size > 0.9 * array_bytes for size in _sizes(kind))
    kernels = moved = 0
    for line in lines:
        if line["op"] in _FREE:
            continue
        kernels += 1
        moved += large(line["type"])
        calls = re.search(r"calls=%([\w.\-]+)", line["rest"])
        inside = _lines(parts[calls[1]]) if calls else []
        for k, name in enumerate(re.findall(r"%([\w.\-]+)", line["given"])):
            if large(types.get(name, "")) and not _only_picks(inside, k):
                moved += 1
    return kernels, moved


def _entry(text: str) -> str:
    return text[text.index("\nENTRY") :]


def _lines(part: str) -> list[dict[str, str]]:
    found = []
    for line in part.split("\n")[1:]:
        m = _LINE.match(line)
        if m:
            found.append({**m.groupdict(), "rest": line[m.end("given") :]})
    return found


def _only_picks(inside: list[dict[str, str]], k: int) -> bool:
    """Whether a fused computation takes nothing but some entries of its input k."""
    own = [i for i in inside if i["op"] == "parameter" and i["given"] == str(k)]
    names, picked = {i["name"] for i in own}, False
    for line in inside:
        if names & set(re.findall(r"%([\w.\-]+)", line["given"])):
            if line["op"] in ("bitcast", "reshape"):
                names.add(line["name"])
            elif line["op"] in _PICK:
                picked = True
            else:
                return False
    return picked


def _sizes(kind: str) -> list[int]:
    """Bytes of every array of a type such as (f32[3,4]{1,0}, s32[])."""
    found = []
    for name, dimensions in re.findall(r"(\w+)\[([\d,]*)\]", kind):
        size = int(re.sub(r"\D", "", name) or 8) // 8
        for d in dimensions.split(",") if dimensions else ():
            size *= int(d)
        found.append(size)
    return found


if __name__ == "__main__":
    main()
