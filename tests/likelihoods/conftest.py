"""The modules of this folder share `likelihood_cases`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
