"""Networks scored on the other miniatures, beside rivals that never look."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from lowtex.catalog import open_test_set
from lowtex.errors import DataError
from lowtex.evaluation.evaluate import evaluate
from lowtex.evaluation.protocols import get_protocol
from lowtex.files import write_json
from lowtex_lab.studies.diagnostics import transfer
from lowtex_lab.studies.rows import ADDED

SIZE = (64, 192)


def near_below(image, rig):
    """A road: near below, far above, a little nearer where the picture is dark."""
    rows = torch.linspace(60, 6, image.shape[-2])[None, None, :, None]
    return rows * (0.8 + 0.4 * image.mean(dim=1, keepdim=True))


@pytest.fixture(scope="module")
def measured(smoke_world):
    """Scores of the road on the smoke profile's miniatures."""
    return transfer.measure(SimpleNamespace(depth=near_below), smoke_world / "vkitti2", SIZE)


def test_every_protocol_has_scores_of_the_network_and_its_rivals(measured):
    whole = measured[measured["stratum_kind"] == "none"]
    counts = whole.groupby(["protocol", "predictor"])["image"].nunique().unstack()
    assert list(counts.index) == sorted(transfer.PROTOCOLS)
    assert set(counts.columns) == {transfer.NETWORK, *transfer.RIVALS}
    assert counts.loc["eigen_raw"].tolist() == [3] * 3 and counts.loc["cityscapes"].tolist() == [2] * 3
    assert not set(ADDED) & set(measured.columns), "the ablation adds these itself"


def test_scores_are_those_of_the_evaluation(smoke_world, measured):
    dataset = open_test_set("eigen_raw", transfer.sibling_roots(smoke_world / "vkitti2"), None, SIZE)
    expected = evaluate(SimpleNamespace(depth=near_below), dataset, "eigen_raw").means().iloc[0]
    own = measured[(measured["protocol"] == "eigen_raw") & (measured["predictor"] == transfer.NETWORK)]
    assert own.loc[own["stratum_kind"] == "none", "abs_rel"].mean() == pytest.approx(expected["abs_rel"], rel=1e-9)


def test_one_depth_is_the_median_of_all_depths(smoke_world, measured):
    dataset = open_test_set("cityscapes", transfer.sibling_roots(smoke_world / "vkitti2"), None, SIZE)
    samples = [dataset[index] for index in range(len(dataset))]
    depth = np.median(np.concatenate([1 / near_below(s.image[None], None).double().numpy().ravel() for s in samples]))
    truth = samples[0].depth[0].numpy()
    valid = get_protocol("cityscapes").valid(truth)
    expected = np.mean(np.abs(truth[valid] - 1 / depth) / truth[valid])
    rival = measured[(measured["predictor"] == transfer.ONE_DEPTH) & (measured["protocol"] == "cityscapes")]
    first = rival[(rival["stratum_kind"] == "none") & (rival["image"] == samples[0].name)]
    assert first["abs_rel"].item() == pytest.approx(expected, rel=1e-5)


def test_a_network_that_gives_one_map_is_as_good_as_its_own_rival(smoke_world, monkeypatch):
    monkeypatch.setattr(transfer, "MOST_IMAGES", 2)

    def layout(image, rig):
        halves = torch.tensor([50.0, 5.0])[None, None, :, None]
        return F.interpolate(halves, image.shape[-2:], mode="nearest").expand(len(image), -1, -1, -1)

    found = transfer.measure(SimpleNamespace(depth=layout), smoke_world / "vkitti2", SIZE)
    whole = found[found["stratum_kind"] == "none"]
    whole = whole.pivot(index=["protocol", "image"], columns="predictor", values="abs_rel")
    assert whole.index.get_level_values("protocol").value_counts()["eigen_raw"] == 2, "of three"
    assert np.allclose(whole[transfer.NETWORK], whole[transfer.OTHER_PICTURE])
    assert not np.allclose(whole[transfer.NETWORK], whole[transfer.ONE_DEPTH])


def test_rivals_become_experiments_of_their_own(measured):
    scores = transfer.with_rivals(measured.assign(experiment="ours"))
    names = set(scores["predictor"] + " -> " + scores["experiment"])
    rivals = {f"{rival} -> ours: {rival}" for rival in ("one depth", "another picture")}
    assert names == {"network -> ours"} | rivals


def test_real_data_and_missing_miniatures_are_refused(tmp_path):
    with pytest.raises(DataError, match="holds real data.*--data kitti=FOLDER"):
        transfer.measure(SimpleNamespace(depth=near_below), tmp_path, SIZE)
    lonely = tmp_path / "vkitti2"
    write_json(lonely / "miniature.json", {"layout": "vkitti2"})
    with pytest.raises(DataError, match="no miniature of kitti at .*lowtex data miniature"):
        transfer.sibling_roots(lonely)
    with pytest.raises(DataError, match="lack predictor"):
        transfer.with_rivals(pd.DataFrame({"experiment": ["ours"], "protocol": ["eigen_raw"]}))
