"""The graph room: traces a model, follows its channels through it, and gathers them into groups.

May touch torch.export graphs alone. Must not know devices, recipes, data, or what a plan is for.
"""

from pipeline.graph.groups import ChannelGroup, ChannelGroups, groups
from pipeline.graph.pinned import Pinned
from pipeline.graph.trace import Graph, trace

__all__ = ["ChannelGroup", "ChannelGroups", "Graph", "Pinned", "groups", "trace"]
