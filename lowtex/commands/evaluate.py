"""`lowtex evaluate`.

Prints a table and, with --out, adds tidy rows to a file. Each row states protocol, crop, cap, scaling and flip. Nothing
is scaled by the median unless asked, because stereo training gives metres. Without --data it takes the miniatures.
"""

import argparse
from pathlib import Path

from lowtex.commands import add_data, add_device, add_profile

EXAMPLE = """\
  lowtex evaluate --checkpoint results/quick/experiments/ours-s0-0123456789ab
  lowtex evaluate --checkpoint network.safetensors --data kitti=~/kitti_raw \\
      --data kitti_depth=~/kitti_depth --protocol improved --split available --out rows.csv"""

EVAL_NAMES = {"KittiRaw": "kitti", "KittiImproved": "kitti_depth", "VirtualKitti2": "vkitti2"}
"""Names in the rows, by reader; those that `lowtex.study` uses too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--checkpoint", required=True, type=Path, help="a trained network (.safetensors), or the folder it is in"
    )
    add_data(parser, "evaluate on this folder: kitti=FOLDER, kitti_depth=FOLDER or vkitti2=FOLDER")
    parser.add_argument("--protocol", help="eigen_raw, improved, vkitti2_dense, …; default the one of the data")
    parser.add_argument("--split", default="test", help="a split's name, 'available', or a file that lists frames")
    parser.add_argument("--flip", action="store_true", help="average with the prediction for the mirrored image")
    parser.add_argument("--scaling", choices=("none", "median"), help="default the protocol's, which is none")
    parser.add_argument("--strata", metavar="KIND,KIND", help="also by known or gradient texture, distance, edges, …")
    parser.add_argument("--out", type=Path, metavar="FILE", help="add the rows to this CSV file")
    add_profile(parser)
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate; prints the table."""
    import warnings

    from lowtex.devices import resolve_device
    from lowtex.evaluation import evaluate
    from lowtex.provenance import provenance
    from lowtex.results import append_rows, rows_from, table, to_markdown
    from lowtex.roots import is_miniature, parse_roots
    from lowtex.training import load_network

    device = resolve_device(options.device)
    network, known = load_network(options.checkpoint)
    protocol, dataset = open_for(options.protocol, parse_roots(options.data), options, known["size"])
    strata = [kind.strip() for kind in options.strata.split(",")] if options.strata else None
    with warnings.catch_warnings():
        # the sentence printed below says the same
        warnings.simplefilter("ignore")
        result = evaluate(
            network.to(device),
            dataset,
            protocol,
            flip=options.flip or None,
            scaling=options.scaling,
            strata=strata,
            progress=True,
        )
    print(result.describe())
    rows = rows_from(
        result,
        known["experiment"],
        eval_data=EVAL_NAMES[type(dataset).__name__],
        split=dataset.split,
        miniature=is_miniature(dataset.root),
        profile=options.profile,
        origin=provenance(device.type if device.type == "cpu" else "auto"),
    )
    for kind in dict.fromkeys(rows["stratum_kind"]):
        print()
        print(to_markdown(table(rows[rows["stratum_kind"] == kind], stratum_kind=kind)))
    if options.out:
        append_rows(options.out.expanduser(), rows)
        print(f"{len(rows)} rows in {options.out}")
    return 0


def open_for(name: str | None, roots: dict[str, Path], options: argparse.Namespace, size: tuple[int, int]):
    """The protocol and the data set it needs, from the folders named or from the miniatures.

    Raises:
        OptionError: an unknown protocol, or folders are named and the one it needs is not.
        DataError: the data set is not complete.
    """
    from lowtex.datasets import open_dataset
    from lowtex.errors import OptionError
    from lowtex.miniature_store import ensure_miniature
    from lowtex.protocols import get_protocol
    from lowtex.roots import resolve_roots

    if name is None:
        name = "improved" if "kitti_depth" in roots else "eigen_raw" if "kitti" in roots else "vkitti2_dense"
    protocol = get_protocol(name)
    reader, needed = {
        "velodyne_x": ("kitti", {"depth": "velodyne"}),
        "velodyne_z": ("kitti", {"depth": "velodyne_z"}),
        "improved": ("kitti_improved", {}),
        "vkitti2": ("vkitti2", {}),
    }[protocol.ground_truth]
    wanted = {"kitti": ("kitti",), "kitti_improved": ("kitti_depth", "kitti"), "vkitti2": ("vkitti2",)}[reader]
    if roots and wanted[0] not in roots:
        raise OptionError(f"protocol {protocol.name} needs --data {wanted[0]}=FOLDER; named are: {', '.join(roots)}")
    if not roots:
        ensure_miniature(options.profile)
    paths = resolve_roots(roots, options.profile)
    if reader == "kitti_improved" and ("kitti" in roots or not roots):
        needed = {"raw_root": paths["kitti"]}
    return protocol, open_dataset(reader, paths[wanted[0]], options.split, size, views=False, **needed)
