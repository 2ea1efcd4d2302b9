"""`python -m dpskit`."""

import sys

from dpskit.cli import main

sys.exit(main())
