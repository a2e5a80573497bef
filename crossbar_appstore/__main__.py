"""``python -m crossbar_appstore``."""

import sys

from crossbar_appstore.cli import main

if __name__ == "__main__":
    sys.exit(main())
