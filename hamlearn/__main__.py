"""`python -m hamlearn`, the same as the command `hamlearn`."""

import sys

from ._cli import main

sys.exit(main())
