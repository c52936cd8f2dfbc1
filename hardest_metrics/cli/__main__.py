"""``python -m hardest_metrics.cli`` is ``hardest-metrics``."""

import sys

from hardest_metrics.cli.program import main

sys.exit(main())
