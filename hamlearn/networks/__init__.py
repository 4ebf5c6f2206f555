"""Networks: parametric vector fields that answer for themselves."""
