"""Consumers of channels, as linear algebra sees them: where they are, their rows, their Hessians.

May read a graph's weights and run it. Changes nothing, and must not know what a plan removes.
"""
