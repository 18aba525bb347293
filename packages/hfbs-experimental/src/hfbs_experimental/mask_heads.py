"""Mask heads that take the place of :class:`hfbs_model.MaskEstimator`, each as a class and as a
:class:`hfbs_model.Variant`."""

from ._axial_refiner import AXIAL_REFINER as AXIAL_REFINER
from ._axial_refiner import AxialRefinerMaskEstimator as AxialRefinerMaskEstimator
from ._axial_refiner import AxialRefinerSettings as AxialRefinerSettings
from ._fno import FNO as FNO
from ._fno import FNOMaskEstimator as FNOMaskEstimator
from ._fno import FNOSettings as FNOSettings
from ._hyperace import HYPERACE as HYPERACE
from ._hyperace import HyperACEMaskEstimator as HyperACEMaskEstimator
from ._hyperace import HyperACESettings as HyperACESettings

__all__ = [
    "AXIAL_REFINER",
    "FNO",
    "HYPERACE",
    "AxialRefinerMaskEstimator",
    "AxialRefinerSettings",
    "FNOMaskEstimator",
    "FNOSettings",
    "HyperACEMaskEstimator",
    "HyperACESettings",
]
