"""What the tests of prepared data share."""

import torch

from lowtex.datasets import KittiRaw, PreparedPairs, prepare

SIZE = (12, 20)


def pairs(root, **options) -> KittiRaw:
    """All pairs of a KITTI tree, without ground truth."""
    return KittiRaw(root, "available", SIZE, **{"depth": None, **options})


def quiet(reader, **options):
    """The folder of a reader's prepared samples."""
    return prepare(reader, progress=False, tell=lambda line: None, **options)


def prepared_of(reader) -> PreparedPairs:
    return PreparedPairs(quiet(reader))


def assert_same(ours, theirs):
    """Two samples are equal to the last bit and in every type."""
    for name, value in vars(theirs).items():
        got = getattr(ours, name)
        if isinstance(value, torch.Tensor):
            assert got.dtype == value.dtype and got.shape == value.shape, name
            if value.dtype == torch.float32:
                got, value = got.view(torch.int32), value.view(torch.int32)
            assert torch.equal(got, value), name
        else:
            assert got == value and type(got) is type(value), name
