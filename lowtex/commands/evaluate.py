"""`lowtex evaluate`.

Prints a table and, with --out, adds tidy rows to a file. Each row states protocol, crop, cap, scaling and flip. Nothing
is scaled by the median unless asked or the protocol says so (Make3D's), because stereo training gives metres. Without
--data it takes the miniatures.

A checkpoint trained with a pretended baseline, as Monodepth2's are, gives units instead of metres: --scaling x5.4 says
that one of its units is 5.4 m, the literature's factor for KITTI (0.54 m where 0.1 was pretended).
"""

import argparse
from pathlib import Path

from lowtex.commands import add_data, add_device, add_profile, reader_options

EXAMPLE = """\
  lowtex evaluate --checkpoint results/quick/experiments/ours-s0-0123456789ab
  lowtex evaluate --checkpoint network.safetensors --data kitti=~/kitti_raw \\
      --data kitti_depth=~/kitti_depth --protocol improved --split available --out rows.csv
  lowtex evaluate --checkpoint network.safetensors --data make3d=~/make3d --protocol make3d_c1
  lowtex evaluate --checkpoint mono+stereo_640x192/ --data kitti=~/kitti_raw --scaling x5.4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        type=Path,
        help="a trained network (.safetensors) or its folder, or a folder with Monodepth2's encoder.pth and depth.pth",
    )
    add_data(parser, "evaluate on this folder: kitti, kitti_depth, vkitti2, make3d, cityscapes or stereo=FOLDER")
    parser.add_argument("--protocol", help="eigen_raw, improved, make3d_c1, …; default the one of the data")
    parser.add_argument("--split", help="a split's name, 'available', or a file that lists frames; default test")
    parser.add_argument(
        "--reader", action="append", default=[], metavar="NAME=VALUE", help="an option of the reader: variation=fog"
    )
    parser.add_argument("--flip", action="store_true", help="average with the prediction for the mirrored image")
    parser.add_argument("--scaling", metavar="HOW", help="none, median, or x5.4; default the protocol's")
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
    from lowtex.sources import data_name, learnt_from, source_of

    device = resolve_device(options.device)
    network, known = load_any(options.checkpoint)
    protocol, dataset = open_for(options.protocol, parse_roots(options.data), options, known["size"])
    root = source_of(protocol).root
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
    if learnt_from(known["experiment"], dataset, root):
        print("note: these are the very images it was trained on; no test of how it does on others")
    if known["facts"].get("use_stereo") is False and result.protocol.scaling != "median":
        print("note: this checkpoint was trained with one camera and has no scale; evaluate it with --scaling median")
    rows = rows_from(
        result,
        known["experiment"],
        eval_data=data_name(dataset, root),
        split=dataset.split,
        miniature=is_miniature(dataset.root),
        profile=options.profile,
        origin=provenance(device.type if device.type == "cpu" else "auto"),
        **known.get("row", {}),
    )
    for kind in dict.fromkeys(rows["stratum_kind"]):
        print()
        print(to_markdown(table(rows[rows["stratum_kind"] == kind], stratum_kind=kind)))
    if options.out:
        append_rows(options.out.expanduser(), rows)
        print(f"{len(rows)} rows in {options.out}")
    return 0


def open_for(name: str | None, named: dict[str, Path], options: argparse.Namespace, size: tuple[int, int]):
    """The protocol and the data set it needs, from the folders named or from the miniatures.

    Raises:
        OptionError: an unknown protocol, or folders are named and the one it needs is not.
        DataError: the data set is not complete.
    """
    from lowtex.miniature_store import ensure_miniature
    from lowtex.protocols import get_protocol
    from lowtex.roots import resolve_roots
    from lowtex.sources import default_protocol, open_test_set, require_named, source_of

    protocol = get_protocol(name or default_protocol(named)).changed(scaling=options.scaling)
    require_named(protocol, named)
    if not named:
        ensure_miniature(options.profile)
    roots = resolve_roots(named, options.profile)
    given = reader_options(options.reader, source_of(protocol).reader)
    return protocol, open_test_set(protocol, roots, options.split, size, **given)


def load_any(checkpoint: Path):
    """A network of this kit, or one of Monodepth2's folders, and what is known about it.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    from lowtex.networks.monodepth2 import is_monodepth2, load_monodepth2
    from lowtex.training import load_network

    return load_monodepth2(checkpoint) if is_monodepth2(checkpoint) else load_network(checkpoint)
