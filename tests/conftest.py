"""What all tests share: how many threads, how many examples."""

import hypothesis
import torch

torch.set_num_threads(1)

# The same examples every time: a test that passes here passes everywhere.
hypothesis.settings.register_profile("minibert", derandomize=True, deadline=None, max_examples=20)
hypothesis.settings.load_profile("minibert")
