"""Losses: the model's own and others, combined with weights, for stems of which some may not be known."""

from ._losses._loss import Loss as Loss
from ._losses._loss import LossTerms as LossTerms
from ._losses._loss import build_loss as build_loss
from ._losses._specs import L1 as L1
from ._losses._specs import L1SNR as L1SNR
from ._losses._specs import MSE as MSE
from ._losses._specs import SISDR as SISDR
from ._losses._specs import STFT as STFT
from ._losses._specs import LogWMSE as LogWMSE
from ._losses._specs import LossSpec as LossSpec
from ._losses._specs import ModelLoss as ModelLoss
from ._losses._specs import MultiResolutionSTFT as MultiResolutionSTFT
from ._losses._specs import SpectralL1SNR as SpectralL1SNR
from ._losses._specs import read_losses as read_losses
