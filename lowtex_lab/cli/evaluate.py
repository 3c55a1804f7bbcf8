"""`lowtex evaluate`."""

import argparse
import io
import sys
from pathlib import Path

import pandas as pd

from lowtex.errors import DataError, OptionError
from lowtex_lab.cli.options import reader_options


def evaluate(options: argparse.Namespace) -> int:
    r"""Prints a table and, with --out, adds tidy rows to a file; --per-image adds the scores of single images to
    another. Each row states protocol, crop, cap, scaling and flip. Nothing is scaled by the median unless asked or the
    protocol says so (Make3D's), because stereo training gives metres. Without --data it takes the miniatures. An image
    whose files are damaged is named and left out; the rows of the others then say so in their split, and the exit code
    is 1.

    A checkpoint trained with a pretended baseline, as Monodepth2's are, gives units instead of metres: --scaling x5.4
    says that one of its units is 5.4 m, the literature's factor for KITTI (0.54 m where 0.1 was pretended). For
    Monodepth2's folders images are resized by Lanczos, as in their training, else by area; --reader resize=area or
    lanczos says which.

    --references scores beside the network what never looks at a picture: one depth, and one depth map, each made of
    the true depth of the other test images. They know more than a network is told, so they are oracles, not methods.

    example:
      lowtex evaluate --checkpoint results/quick/experiments/ours-s0-0123456789ab
      lowtex evaluate --checkpoint network.safetensors --data kitti=~/kitti_raw \
          --data kitti_depth=~/kitti_depth --protocol improved --split available --out rows.csv
      lowtex evaluate --checkpoint network.safetensors --data make3d=~/make3d --protocol make3d_c1
      lowtex evaluate --checkpoint mono+stereo_640x192/ --data kitti=~/kitti_raw --scaling x5.4
    """
    import warnings

    from lowtex.catalog import TRUTH_FILES, data_name, learnt_from, source_of
    from lowtex.checkpoints import load_network
    from lowtex.data_paths import is_miniature
    from lowtex.devices import resolve_device
    from lowtex.evaluation.evaluate import NO_TRUTH, evaluate
    from lowtex.evaluation.results import append_rows, per_image_rows, read_rows, rows_from, table, to_markdown
    from lowtex.networks.pretrained import is_monodepth2, load_monodepth2
    from lowtex.progress import count
    from lowtex.provenance import provenance
    from lowtex_lab.cli import FAILED
    from lowtex_lab.studies.references import FIXED_BY, reference_evaluations

    if options.out and options.per_image and options.out.resolve() == options.per_image.resolve():
        raise OptionError(f"--out and --per-image both name {options.out}; give each a file of its own")
    if options.out and options.out.is_file():
        # a file that holds something else is refused before the work, not after it
        read_rows(options.out)
    earlier = _read_images(options.per_image)
    device = resolve_device(options.device)
    load = load_monodepth2 if is_monodepth2(options.checkpoint) else load_network
    network, known = load(options.checkpoint)
    protocol, dataset = _open_test_set(options, known)
    if options.references and len(dataset) < 2:
        raise OptionError("--references needs two images or more; leave it out, or name a larger split")
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
            precision=options.precision,
            progress=True,
            keep_going=True,
        )
    if not result.images and NO_TRUTH in result.unscored.values():
        raise DataError(
            f"nothing to score by: {result.describe()}; ground truth belongs in {dataset.root}/{TRUTH_FILES[root]}"
        )
    told = {"eval_data": data_name(dataset, root, known["size"]), "split": dataset.split, **known.get("row", {})}
    if result.damaged:
        # rows of fewer images must not pass for rows of the whole split
        told["split"] += f" without {len(result.damaged)} damaged"
    origin = {"miniature": is_miniature(dataset.root), "profile": options.profile, "origin": provenance(device)}
    rows = rows_from(result, known["experiment"], **origin, **told)
    images = per_image_rows(result, known["experiment"], **told)
    if options.references:
        scored = set(result.per_image["image"])
        indices = [index for index, name in enumerate(dataset.names) if name in scored]
        told |= {"experiment_key": "none", "seed": 0, "train_data": FIXED_BY}
        for name, reference in reference_evaluations(dataset, result.protocol, strata, indices).items():
            rows = pd.concat([rows, rows_from(reference, name, **origin, **told)])
            images = pd.concat([images, per_image_rows(reference, name, **told)])
    if options.out:
        append_rows(options.out, rows)
    if options.per_image:
        _write_images(options.per_image, earlier, images)
    print(f"{told['eval_data']}, split {told['split']}; {result.describe()}")
    if learnt_from(known["experiment"], dataset, root):
        print("note: these are the very images it was trained on; no test of how it does on others")
    if known["facts"].get("use_stereo") is False and result.protocol.scaling != "median":
        print("note: this checkpoint was trained with one camera and has no scale; evaluate it with --scaling median")
    for kind in dict.fromkeys(rows["stratum_kind"]):
        print()
        print(to_markdown(table(rows[rows["stratum_kind"] == kind], stratum_kind=kind)))
    if options.out:
        print(f"{count(len(rows), 'row')} in {options.out}")
    if options.per_image:
        print(f"scores of {count(result.images, 'image')} in {options.per_image}")
    for name, reason in result.damaged.items():
        print(f"lowtex: {name} is left out: {' '.join(reason.split())}", file=sys.stderr)
    return FAILED if result.damaged else 0


def _read_images(path: Path | None):
    """Scores of single images that ``--per-image`` wrote before, as a frame of texts; None where there are none.

    Raises:
        DataError: a file that is not such a table.
    """
    if path is None or not path.is_file():
        return None
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise DataError(f"--per-image {path} is not a CSV file ({error}); name another file") from error
    if missing := {"experiment", "image", "stratum"} - set(frame):
        lacks = ", ".join(sorted(missing))
        raise DataError(f"--per-image {path} is no table of scores of images: it lacks {lacks}; name another file")
    return frame


def _write_images(path: Path, earlier, frame) -> None:
    """Add scores of single images to those of `_read_images`; of two of one image and stratum the later stays."""
    from lowtex.evaluation.results import write_csv

    if earlier is not None:
        key = list(frame.columns[: frame.columns.get_loc("stratum") + 1])
        # as texts, or 80 in the file would not be the 80.0 measured now
        now = io.StringIO(frame.to_csv(index=False, float_format="%.10g"))
        frame = pd.concat([earlier, pd.read_csv(now, dtype=str, keep_default_na=False)]).fillna("")
        frame = frame.drop_duplicates(key, keep="last")
    write_csv(path, frame)


def _open_test_set(options: argparse.Namespace, known: dict):
    """The protocol and the data set it needs, from the folders named or from the miniatures.

    Raises:
        OptionError: an unknown protocol, or folders are named and the one it needs is not.
        DataError: the data set is not complete.
    """
    from lowtex.catalog import default_protocol, open_test_set, require_named, source_of
    from lowtex.data_paths import parse_roots, resolve_roots
    from lowtex.evaluation.protocols import get_protocol
    from lowtex_lab.miniature.store import ensure_miniature

    named = parse_roots(options.data)
    protocol = get_protocol(options.protocol or default_protocol(named)).changed(scaling=options.scaling)
    require_named(protocol, named)
    if not named:
        ensure_miniature(options.profile)
    roots = resolve_roots(named, options.profile)
    # what the command line says goes before what the network was trained with
    reader = known.get("reader", {}) | reader_options(options.reader, source_of(protocol).reader)
    return protocol, open_test_set(protocol, roots, options.split, known["size"], **reader)
