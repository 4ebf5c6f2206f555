"""Programs as users have them, for tests of their very bits."""

import equinox as eqx


def as_users_have_it(function):
    """Compiled with all of LLVM's passes, which round otherwise."""
    return eqx.filter_jit(
        function, compiler_options={"xla_backend_optimization_level": 3}
    )
