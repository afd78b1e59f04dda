"""The groups as one offline page, in the report's style, without scripts or outside assets."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from pipeline.groups_view.document import Groups


def render(groups: Groups) -> str:
    """The page."""
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("pipeline.groups_view", "templates"),
                PackageLoader("pipeline.report", "templates"),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    largest = max((one.macs_share for one in groups.groups), default=0.0)
    template = environment.get_template("groups.html.j2")
    return template.render(model=groups, largest=largest or 1.0)
