"""The generated APIs: what is the same of them in every language.

Holds how an interface's operations become calls, and what is told of them in comments. The
functions that are called are the languages' own files, of the same names and orders of arguments.
Must not know an archive, a build system or a runtime.
"""
