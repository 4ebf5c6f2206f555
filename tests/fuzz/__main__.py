"""Ten times as many inputs: `python -m tests.fuzz`."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("HAMLEARN_FUZZ", "10")
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", str(Path(__file__).parent)]))
