"""Results as a person reads them, on stdout: text and tables in which nothing acts."""

from rich.console import Console, HighlighterType, JustifyMethod, OverflowMethod
from rich.style import Style
from rich.text import Text

from pipeline.printing import visible


class Terminal(Console):
    """Shows text as it is. Names in a model, a device or a folder may be anyone's: brackets are no
    markup, a word between colons is no picture, and a terminal's own commands do not reach it."""

    def render_str(
        self,
        text: str,
        *,
        style: str | Style = "",
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        emoji: bool | None = None,
        markup: bool | None = None,
        highlight: bool | None = None,
        highlighter: HighlighterType | None = None,
    ) -> Text:
        """Text as rich shows it, whatever is asked of emoji and markup; rich renders every cell and
        line by this."""
        return super().render_str(
            visible(text),
            style=style,
            justify=justify,
            overflow=overflow,
            emoji=False,
            markup=False,
            highlight=highlight,
            highlighter=highlighter,
        )
