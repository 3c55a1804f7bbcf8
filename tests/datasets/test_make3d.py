"""Make3D: layouts, ids, the crop of image and grid, and four real images."""

import cv2
import numpy as np
import pytest
import scipy.io
import torch
from dataset_trees import write_list
from dataset_trees_make3d import HEIGHT, IDS, WIDTH, flat_jpeg, grid_values, write_grid, write_make3d

from lowtex.datasets import Make3D, open_dataset
from lowtex.datasets.make3d import NOMINAL_RIG, read_grid
from lowtex.datasets.reader import tolerating_missing
from lowtex.errors import DataError, OptionError


@pytest.mark.parametrize(
    "grids", ["Gridlaserdata", "Test134Depth/Gridlaserdata", "Test134Depth", "Test134/Gridlaserdata"]
)
def test_read_back_wherever_the_grids_lie(tmp_path, grids):
    write_make3d(tmp_path, grids=grids)
    reader = Make3D(tmp_path, size=(8, 16))
    assert reader.names == sorted(IDS) and reader.split == "test, 3 of 134" and len(reader) == 3
    for sample in reader:
        number = IDS.index(sample.name)
        colour = torch.tensor([50.0, 90.0, 130.0]) + 10 * number
        torch.testing.assert_close(sample.image * 255, colour[:, None, None].expand(3, 8, 16), atol=2, rtol=0)
        expected = grid_values(number)[17:38, :, 3].astype(np.float32)
        np.testing.assert_array_equal(sample.depth.numpy(), expected[None])
        assert sample.depth.dtype == torch.float32 and sample.depth[0, 0, 0] == 18 + number / 2
        assert sample.other is None and sample.texture_contrast is None and sample.visible is None


def test_needs_an_image_and_its_grid(tmp_path):
    write_make3d(tmp_path, grids="Test134Depth")
    grid = tmp_path / "Test134Depth" / f"depth_sph_corr-{IDS[1]}.mat"
    grid.unlink()
    with tolerating_missing():
        reader = Make3D(tmp_path)
    # where the other grids are
    image = tmp_path / "Test134" / f"img-{IDS[1]}.jpg"
    assert reader.needed(reader.names.index(IDS[1])) == [image, grid]


def rows_numbered() -> np.ndarray:
    """BGR image of the real size whose blue and green are the row's number."""
    rows = np.arange(HEIGHT)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, :, 0], image[:, :, 1] = (rows // 256)[:, None], (rows % 256)[:, None]
    return image


def test_crop_cuts_image_grid_and_rig_alike(tmp_path):
    write_make3d(tmp_path, ids=IDS[:1])
    # what is decoded goes by the content, not by the name; and a PNG keeps row numbers exactly
    cv2.imwrite(str(tmp_path / "rows.png"), rows_numbered())
    (tmp_path / "rows.png").rename(tmp_path / "Test134" / f"img-{IDS[0]}.jpg")
    parts = {"c1": (range(710, 1562), range(17, 38)), "wide": (range(795, 1477), range(19, 36))}
    for crop, (rows, grid_rows) in {**parts, None: (range(2272), range(55))}.items():
        sample = Make3D(tmp_path, size=None, crop=crop)[0]
        image = (sample.image * 255).round().int()
        numbers = image[2] * 256 + image[1]
        assert torch.equal(numbers, torch.tensor(list(rows), dtype=torch.int32)[:, None].expand(-1, WIDTH))
        assert sample.depth.shape == (1, len(grid_rows), 305)
        np.testing.assert_array_equal(sample.depth[0, :, 0].numpy(), np.array(grid_rows, np.float32) + 1)
        assert sample.rig == NOMINAL_RIG.cropped(0, rows[0], WIDTH, len(rows))
        assert sample.rig.cy == NOMINAL_RIG.cy - rows[0]
    resized = Make3D(tmp_path, size=(213, 426))[0]
    assert resized.image.shape == (3, 213, 426) and resized.depth.shape == (1, 21, 305)
    assert resized.rig == NOMINAL_RIG.cropped(0, 710, 1704, 852).resized(426, 213)
    # four rows and four columns to one, exactly averaged
    numbers = resized.image[2] * 255 * 256 + resized.image[1] * 255
    assert numbers[0, 0].item() == pytest.approx(711.5, abs=0.6)


def test_rig_is_said_to_be_nominal(tmp_path):
    write_make3d(tmp_path, ids=IDS[:1])
    reader = open_dataset("make3d", tmp_path, split="test", size=(96, 320))
    assert isinstance(reader, Make3D) and reader.rig_is_nominal and reader.ground_truth == "make3d"
    rig = reader[0].rig
    assert (rig.width, rig.height, rig.baseline_m) == (320, 96, 0.1)
    assert rig.focal_px == pytest.approx(2466 * 320 / 1704) and rig.fy == pytest.approx(2466 * 96 / 852)


def test_splits(tmp_path):
    write_make3d(tmp_path)
    write_list(tmp_path, "few", f"{IDS[1]}\n\nimg-{IDS[0]}.jpg\n")
    few = Make3D(tmp_path, "few")
    assert few.names == [IDS[1], IDS[0]] and few.split == "few"
    (tmp_path / "mine.txt").write_text(f"{IDS[2]}\n")
    assert Make3D(tmp_path, tmp_path / "mine.txt").names == [IDS[2]]
    (tmp_path / "Test134" / f"img-{IDS[0]}.jpg").unlink()
    (tmp_path / "Gridlaserdata" / f"depth_sph_corr-{IDS[1]}.mat").unlink()
    with pytest.raises(DataError, match=rf"2 of 3 images .*'test'.* first: .*img-{IDS[0]}\.jpg; .*--split available"):
        Make3D(tmp_path)
    assert Make3D(tmp_path, "available").names == [IDS[2]]
    with tolerating_missing():
        assert Make3D(tmp_path).names == sorted(IDS)
    with pytest.raises(OptionError, match="split='train' is not known; choose few, test, 'available'"):
        Make3D(tmp_path, "train")
    with pytest.raises(OptionError, match="crop='C1' is not known"):
        Make3D(tmp_path, crop="C1")


def test_other_files_beside_the_data_are_left_alone(tmp_path):
    write_make3d(tmp_path, ids=IDS[:1])
    for name in ("Test134/readme.txt", "Test134/._img-x.jpg", "Gridlaserdata/Thumbs.db", "Gridlaserdata/other.mat"):
        (tmp_path / name).write_text("something else")
    assert Make3D(tmp_path).names == [IDS[0]]
    (tmp_path / "Test134" / "holiday.jpg").write_bytes(flat_jpeg(3, 16, 16))
    with pytest.raises(DataError, match=r"holiday\.jpg does not belong into this folder, where names are img-<number>"):
        Make3D(tmp_path)


def test_nothing_measured_is_0_and_whole_numbers_are_fine(tmp_path):
    grid = grid_values(0)
    grid[20, 5, 3], grid[21, 6, 3] = 0.0, -1.0
    write_grid(tmp_path / "depth_sph_corr-a.mat", grid)
    depth = read_grid(tmp_path / "depth_sph_corr-a.mat")
    assert depth[20, 5] == depth[21, 6] == 0.0 and depth[20, 6] == np.float32(21.006)
    write_grid(tmp_path / "depth_sph_corr-b.mat", np.full((55, 305, 4), 7, np.uint8))
    assert read_grid(tmp_path / "depth_sph_corr-b.mat").dtype == np.float32


def test_real_images_and_grids(real_data):
    reader = Make3D(real_data / "make3d", size=(192, 512))
    assert len(reader) == 4 and all("-p-" in name for name in reader.names)
    for name, sample in zip(reader.names, reader, strict=True):
        assert sample.image.shape == (3, 192, 512) and 0.1 < sample.image.mean() < 0.9
        assert sample.depth.shape == (1, 21, 305)
        # the scanner's limits, and every place measured
        assert 2 < sample.depth.min() and sample.depth.max() <= 82, name
        whole = Make3D(real_data / "make3d", crop=None)[reader.names.index(name)].depth
        # the top of these photographs is farther away than the bottom, so the grid stands the right way up
        assert whole[0, :10].median() > 2 * whole[0, -10:].median()
        assert torch.equal(whole[:, 17:38], sample.depth)


def test_real_channel_is_the_range_and_the_grid_covers_the_image(real_data):
    for path in sorted((real_data / "make3d" / "Gridlaserdata").glob("*.mat")):
        x, y, z, distance = np.moveaxis(scipy.io.loadmat(path)["Position3DGrid"], 2, 0)
        np.testing.assert_allclose(np.sqrt(x**2 + y**2 + z**2), distance, atol=0.02)
        # what the reader's docstring says about range and z, and the nominal focal length
        ratio = distance / z
        assert ratio.max() == pytest.approx(1.14, abs=0.01) and ratio[17:38].max() == pytest.approx(1.075, abs=0.005)
        assert ratio[17:38].mean() == pytest.approx(1.025, abs=0.001)
        rows, columns = np.mgrid[0:55, 0:305]
        down, across = np.polyfit(rows.ravel(), (x / z).ravel(), 1), np.polyfit(columns.ravel(), (y / z).ravel(), 1)
        assert -2272 / 55 / down[0] == pytest.approx(NOMINAL_RIG.fy, rel=0.005)
        assert 1704 / 305 / across[0] == pytest.approx(NOMINAL_RIG.focal_px, rel=0.005)
        middle = -across[1] / across[0], -down[1] / down[0]
        assert (middle[0] + 0.5) * 1704 / 305 - 0.5 == pytest.approx(NOMINAL_RIG.cx, abs=5)
        assert (middle[1] + 0.5) * 2272 / 55 - 0.5 == pytest.approx(NOMINAL_RIG.cy, abs=5)
