"""One thread: on small tensors several only wait for one another, and bits repeat."""

import torch

torch.set_num_threads(1)
