"""What is done with samples and networks beside training: laser projection, evaluation, prediction."""

import numpy as np
import torch

from benchmarks.harness import Conditions, Contest, Contestant, Subject
from benchmarks.subjects.readers import MOST_SAMPLES, kitti_with_scans, root_of, size_of, told
from benchmarks.subjects.steps import IRESNET, RESNET, depth_net, experiment_of, pairs, plain_depth_net
from benchmarks.yardstick.items import evaluated, projected_scan
from lowtex.checkpoints import load_network, save_network
from lowtex.datasets.kitti import project_velodyne, read_velodyne
from lowtex.evaluation.evaluate import predict_photo, score
from lowtex.seeding import generator

PROJECTION, EVALUATION, PREDICTION = "velodyne projection", "evaluation of one image", "prediction"


def make_projection(conditions: Conditions, subject: Subject, name: str) -> Contestant:
    """A laser scan into its left camera, by the community's rule."""
    reader = kitti_with_scans(root_of("kitti", conditions), (subject.height, subject.width))
    work = []
    for frame in reader.frames[:MOST_SAMPLES]:
        camera = reader.calibration(frame.folder)
        scan = read_velodyne(reader.file("scan", frame))
        matrix = camera.velodyne_projection(frame.side, reader.velodyne_to_camera(frame.folder))
        work.append((scan, matrix, *camera.size[frame.side]))
    project = projected_scan if name == "yardstick" else project_velodyne

    def run() -> dict:
        for each in work:
            depth = project(*each)
        return {"pixels": float((depth > 0).sum()), "metres": float(depth.sum(dtype=np.float64))}

    return Contestant(run, len(work))


def make_evaluation(conditions: Conditions, subject: Subject, name: str) -> Contestant:
    """The errors of one prediction against the laser's depth."""
    root = root_of("kitti", conditions)
    sample = kitti_with_scans(root, size_of(root, conditions))[0]
    height, width = sample.image.shape[1:]
    coarse = torch.rand(1, 1, 4, 8, generator=generator(0, "benchmark prediction"))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    inverse = (0.02 + 0.1 * smooth)[0, 0].double().numpy()
    if name == "yardstick":
        truth = sample.depth[0].numpy()
        return Contestant(lambda: evaluated(inverse, truth))

    def run() -> dict:
        row = score(inverse, sample, "eigen_raw", quantity="inverse_depth")[0]
        return {key: row[key] for key in ("abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3")}

    return Contestant(run)


def make_prediction(conditions: Conditions, subject: Subject, name: str) -> Contestant:
    """Metres of one photo of the network's size, from bytes to an array, with the network a checkpoint gives."""
    size = subject.height, subject.width
    focal, baseline = 0.58 * subject.width, 0.5327
    photo = (pairs(1, *size).image[0].permute(1, 2, 0) * 255).byte().numpy()
    if name != "yardstick":
        network = _from_checkpoint(conditions, subject).to(conditions.device).eval()

        def run() -> dict:
            return {"metres": float(predict_photo(network, size, photo, focal, baseline).mean(dtype=np.float64))}

        return Contestant(run)
    plain = plain_depth_net(subject, conditions).eval()

    @torch.no_grad()
    def run_plain() -> dict:
        image = torch.from_numpy(photo).permute(2, 0, 1)[None].float().div(255).to(conditions.device)
        depth = plain.depth_m(plain(image)[0], torch.tensor([baseline]))
        return {"metres": float(depth.cpu().double().mean())}

    return Contestant(run_plain)


def _from_checkpoint(conditions: Conditions, subject: Subject):
    path = conditions.work / f"{subject.network.replace(' ', '_')}.safetensors"
    if not path.is_file():
        save_network(
            path, depth_net(subject, conditions).cpu(), "depth_net", experiment_of(subject.network, conditions)
        )
    return load_network(path)[0]


def contests(conditions: Conditions) -> list[Contest]:
    """Projection and evaluation on KITTI, prediction with both networks."""
    root = root_of("kitti", conditions)
    beside = ("yardstick", "kit")
    found = []
    if root.is_dir():
        size = size_of(root, conditions)
        for name, make, tolerance in ((PROJECTION, make_projection, 2e-3), (EVALUATION, make_evaluation, 1e-6)):
            subject = Subject("use", name, "", 0, *size, data=f"{told(root)} scan")
            found.append(Contest(subject, beside, make, {"kit": tolerance}, threads=1))
    for network in (RESNET, IRESNET):
        size = (64, 96) if conditions.smoke else (192, 640)
        subject = Subject("use", PREDICTION, network, 1, *size, data="one photo")
        found.append(Contest(subject, beside, make_prediction, {"kit": 1e-4}))
    return found
