# SPDX-License-Identifier: Apache-2.0
"""``python -m nicarbon``, for interpreters whose scripts are not on the path."""

import sys

from nicarbon.cli import main

if __name__ == "__main__":
    sys.exit(main())
