"""The options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Fleet = Annotated[
    str | None,
    typer.Option("--device", help="A device profile's name, or several: pi5,phone,host."),
]
Device = Annotated[str | None, typer.Option("--device", help="A device profile's name.")]
Runtimes = Annotated[
    list[str] | None,
    typer.Option("--runtime", help="Only this runtime; may be given more than once."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Overrides the recipe: steps.0.prune.ratio=.5"),
]
Limits = Annotated[
    list[str] | None, typer.Option("--limit", metavar="LIMIT=NUMBER", help="latency_ms.p95=8")
]
BudgetFile = Annotated[Path | None, typer.Option("--budget", help="A YAML file of limits.")]
Processes = Annotated[
    int | None,
    typer.Option(help="Fresh processes of a sitting; without it, 5.", show_default=False),
]
Samples = Annotated[
    int | None,
    typer.Option(help="Samples of a process, at least; without it, 100.", show_default=False),
]
Confidence = Annotated[
    float | None,
    typer.Option(help="Of what passes; without it, 0.95.", show_default=False),
]
Sustained = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES", help="Load for so long; its last part counts.", show_default=False
    ),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", metavar="INPUT=SIZES", help="Of open sizes: x=1,3,224,224"),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="TASK", help="A task.py, or a recipe's: score the model on its data."),
]
Model = Annotated[Path, typer.Argument(help="A .tflite, .onnx or .xml file.")]
Baseline = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="A finished run, whose artifact is measured again beside it."),
]
MaxRegression = Annotated[
    list[str] | None,
    typer.Option(
        "--max-regression", metavar="LIMIT=NN%", help="Over the baseline: latency_ms.p50=5%"
    ),
]
Junit = Annotated[Path | None, typer.Option(help="Write what was found as JUnit XML, too.")]
Markdown = Annotated[Path | None, typer.Option(help="Write it as Markdown, too.")]
Sarif = Annotated[Path | None, typer.Option(help="Write what is not met as SARIF 2.1.0, too.")]
Annotate = Annotated[
    bool, typer.Option("--annotate", help="Tell GitHub's runner what is not met, on stderr.")
]
