"""Where things are. WAYBILL_BUILD names the build directory, absolute or below the repository."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("WAYBILL_BUILD", "build")
SANITIZED = "WAYBILL_SANITIZE:BOOL=ON" in (
    (BUILD / "CMakeCache.txt").read_text() if (BUILD / "CMakeCache.txt").exists() else "")
SHARED_DATA = ROOT.parent / "shared" / "data"


def program(name):
    path = BUILD / "bin" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: build it, or set WAYBILL_BUILD")
    return str(path)
