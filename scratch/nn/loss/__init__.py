"""Losses: one file for each derivation; the reduction and the checks in loss.py."""

from scratch.nn.loss.adaptive_log_softmax import AdaptiveLogSoftmaxWithLoss
from scratch.nn.loss.bce import BCELoss, BCEWithLogitsLoss
from scratch.nn.loss.cosine_embedding import CosineEmbeddingLoss
from scratch.nn.loss.cross_entropy import CrossEntropyLoss
from scratch.nn.loss.ctc import CTCLoss
from scratch.nn.loss.gaussian_nll import GaussianNLLLoss
from scratch.nn.loss.hinge_embedding import HingeEmbeddingLoss
from scratch.nn.loss.kl_div import KLDivLoss
from scratch.nn.loss.l1 import HuberLoss, L1Loss, SmoothL1Loss
from scratch.nn.loss.linear_cross_entropy import LinearCrossEntropyLoss
from scratch.nn.loss.margin_ranking import MarginRankingLoss
from scratch.nn.loss.mse import MSELoss
from scratch.nn.loss.multi_label_margin import MultiLabelMarginLoss
from scratch.nn.loss.multi_label_soft_margin import MultiLabelSoftMarginLoss
from scratch.nn.loss.multi_margin import MultiMarginLoss
from scratch.nn.loss.nll import NLLLoss, NLLLoss2d
from scratch.nn.loss.poisson_nll import PoissonNLLLoss
from scratch.nn.loss.soft_margin import SoftMarginLoss
from scratch.nn.loss.triplet_margin import TripletMarginLoss, TripletMarginWithDistanceLoss

__all__ = [
    "AdaptiveLogSoftmaxWithLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]
