"""The mean of several adapters that one training has left on its way, weight by weight, which is often better than each
of them (Wortsman et al. 2022, https://arxiv.org/abs/2203.05482).

    python -m tools.average --output ADAPTER FOLDER FOLDER...

The first folder gives the configuration and the manifest, to which the names and hashes of all are added.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file

from src.errors import InputError
from src.models.adapters import MANIFEST_FILE
from src.training.folder import CONFIG_FILE, WEIGHTS_FILE, sha256


def average(folders: Sequence[Path], output: Path) -> None:
    """Write the mean of the adapters in ``folders`` into ``output``, a new folder.

    Raises:
        InputError: they have different matrices, or ``output`` is there.
    """
    parts = [load_file(folder / WEIGHTS_FILE) for folder in folders]
    shapes = [{name: value.shape for name, value in part.items()} for part in parts]
    if any(other != shapes[0] for other in shapes):
        raise InputError("这些适配器的层或秩不同，不能平均")
    if output.exists():
        raise InputError(f"{output} 已经有了；请换一个 --output")
    output.mkdir(parents=True)
    mean = {name: sum(part[name].float() for part in parts) / len(parts) for name in parts[0]}
    save_file(
        {name: value.half() for name, value in mean.items()}, output / WEIGHTS_FILE, metadata={"format": "pt"}
    )
    shutil.copyfile(folders[0] / CONFIG_FILE, output / CONFIG_FILE)
    manifest = json.loads((folders[0] / MANIFEST_FILE).read_text(encoding="utf-8"))
    manifest["averaged"] = [
        {"name": folder.resolve().name, "sha256": sha256(folder / WEIGHTS_FILE)} for folder in folders
    ]
    (output / MANIFEST_FILE).write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    average(given.folders, given.output)


if __name__ == "__main__":
    main()
