"""`python -m hamlearn`, the same as the command `hamlearn`."""

import sys

from .cli import main

sys.exit(main())
