"""What trains a network for hierarchical retrieval: losses, called as ``loss(embeddings, labels)``.

Labels are ``(B, L)`` integers, finest level first. Embeddings are used as they are given: normalise them first. Proxies
are ordinary parameters, which the optimizer must be given.
"""

from hardest_metrics.losses.happier import HAPPIERLoss
from hardest_metrics.losses.hierarchical_ap import HierarchicalAPLoss, HRank
from hardest_metrics.losses.proxies import ClusterLoss, CSLLoss

__all__ = ["CSLLoss", "ClusterLoss", "HAPPIERLoss", "HRank", "HierarchicalAPLoss"]
