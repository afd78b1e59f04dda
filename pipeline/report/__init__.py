"""The evidence: what a run found, as one document (report.json) and one page (report.html).

Holds the document's types, the page, its charts and the terminal's table. May touch the run folder
that it is given, and nothing else of the machine. Must not know how a model was made smaller or
measured: everything that it says was handed to it.
"""
