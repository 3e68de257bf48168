"""Tensors in parts; what the processes exchange is in test_distributed.py."""

import torch

from minibert.train.sharding import placed_like, whole


def test_a_tensor_that_is_not_in_parts_stays_itself():
    tensor, parameter = torch.ones(3, 2), torch.zeros(3, 2)
    assert whole(tensor) is tensor
    assert placed_like(tensor, parameter) is tensor
