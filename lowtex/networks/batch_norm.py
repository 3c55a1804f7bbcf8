"""Batch normalisation whose statistics are those of the whole batch, where several processes share it.

torch has such a layer for GPUs alone; this one runs wherever its tensors can be summed over processes, so that what
runs on many GPUs is what the tests compare with one process on a CPU.
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` over the batch of all processes; they must have equal parts of it.

    In evaluation mode it is `nn.BatchNorm2d`. In training mode two sums a channel go round on the way forward and two
    on the way back, so every process has to run it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` -> the same shape, normalised by mean and variance over B, H, W and all processes."""
        if not self.training or not dist.is_initialized():
            return super().forward(x)
        y, mean, variance = _Normalise.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            count = dist.get_world_size() * x.numel() // x.shape[1]
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return y


def share_statistics(module: nn.Module) -> nn.Module:
    """Turn every `nn.BatchNorm2d` inside into a `SharedBatchNorm2d`, in place; parameters stay the same objects."""
    for part in module.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = SharedBatchNorm2d
    return module


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float):
        own_variance, own_mean = torch.var_mean(x.to(weight.dtype), (0, 2, 3), correction=0)
        # float64, because a variance from two sums cancels
        own_mean, own_variance = own_mean.double(), own_variance.double()
        moments = torch.stack([own_mean, own_variance + own_mean.square()])
        dist.all_reduce(moments)
        mean, square = moments / dist.get_world_size()
        mean, variance = mean.to(weight.dtype), (square - mean.square()).clamp(min=0).to(weight.dtype)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, *_):
        """As if mean and variance were constants, less what they pass on: each belongs to the samples of everyone."""
        x, weight, mean, variance = ctx.saved_tensors
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([grad_weight, grad_bias])
        dist.all_reduce(sums)
        sum_weight, sum_bias = sums / (dist.get_world_size() * x.numel() // x.shape[1])
        deviation = (variance + ctx.eps).rsqrt()
        factor = weight * deviation

        def spread(channels: Tensor) -> Tensor:
            return channels.reshape(1, -1, 1, 1)

        passed_on = (x - spread(mean)).mul_(spread(factor * deviation * sum_weight)).add_(spread(factor * sum_bias))
        return grad_x - passed_on.to(grad_x.dtype), grad_weight, grad_bias, None
