"""源知 YuanZhi as a Space: ``python app.py`` (``--help`` lists the settings)."""

import contextlib
import sys

with contextlib.suppress(ImportError):
    import spaces  # noqa: F401 (ZeroGPU: must come before anything touches CUDA)

from src.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]], program="app.py"))
