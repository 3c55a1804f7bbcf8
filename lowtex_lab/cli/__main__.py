"""``python -m lowtex_lab.cli`` is ``lowtex``."""

import sys

from lowtex_lab.cli import main

sys.exit(main())
