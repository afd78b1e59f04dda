"""Makes a float graph int8, once for all runtimes.

Observe (calibration data to histograms), decide (histograms to a QuantPlan) and apply (the plan to
a copy of the graph). Which operators, is in rules.py; which of them may stay float, in regions.py.
Without training, equalizing, bias correction and rounding give a copy of the graph weights that
lose less. Knows no runtime and no device: exporters take one of the two forms that come out.
"""

from pipeline.quantize.apply import Quantized, apply
from pipeline.quantize.plan import QuantPlan
from pipeline.quantize.quantizing import quantize

__all__ = ["QuantPlan", "Quantized", "apply", "quantize"]
