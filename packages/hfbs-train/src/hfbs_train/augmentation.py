"""Augmentation: stems changed at random, by draws that depend on the item alone."""

from ._augmentation._augment import augment as augment
from ._augmentation._codec import codec_round_trip as codec_round_trip
from ._augmentation._codec import degrade as degrade
from ._augmentation._settings import AugmentationSettings as AugmentationSettings
from ._augmentation._settings import ChannelSwap as ChannelSwap
from ._augmentation._settings import Clipping as Clipping
from ._augmentation._settings import Codec as Codec
from ._augmentation._settings import Equalizer as Equalizer
from ._augmentation._settings import Gain as Gain
from ._augmentation._settings import LowPass as LowPass
from ._augmentation._settings import Pan as Pan
from ._augmentation._settings import PitchAndTempo as PitchAndTempo
from ._augmentation._settings import Polarity as Polarity
from ._augmentation._settings import Reverb as Reverb
from ._augmentation._settings import Saturation as Saturation
from ._augmentation._settings import Speed as Speed
from ._augmentation._settings import read_augmentation as read_augmentation
