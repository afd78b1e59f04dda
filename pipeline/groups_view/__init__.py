"""What hangs together in a recipe's model: its groups as a document, a table and a page.

May read the recipe, trace its model and survey the graph. Must not prune, and keeps no run folder.
"""
