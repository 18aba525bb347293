"""Songs and models for the tests of hfbs-train."""

import torch

# Models this small are slower on several threads than on one.
torch.set_num_threads(1)
