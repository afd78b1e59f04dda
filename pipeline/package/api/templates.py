"""Source code from templates."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline.package.api.language import Language
from pipeline.package.api.words import comment


def environment(room: str, language: Language) -> Environment:
    """The templates of a room's package, with the language's way of writing values.

    Args:
        room: the package that has them, such as "pipeline.package.android".
        language: whose source they make.
    """
    made = Environment(
        loader=PackageLoader(room),
        undefined=StrictUndefined,
        autoescape=select_autoescape(()),  # source code has none of HTML's escapes
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"text": language.text, "comment": comment, "upfirst": upfirst}
    made.filters |= {"float32": language.float32}
    return made


def upfirst(word: str) -> str:
    """A word with a capital: Input for input."""
    return word[:1].upper() + word[1:]
