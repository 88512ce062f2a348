"""Verbs that compare with the truth: evaluate, identify."""

from dataclasses import replace
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_labdct.cli.common import (
    Device,
    Stack,
    Values,
    load_denoiser,
    read,
    say,
    watch,
)
from napari_labdct.cli.options import merged, validated
from napari_labdct.core import Detector, InputError

if TYPE_CHECKING:
    import pandas as pd

    from napari_labdct.core import ProjectionStack
    from napari_labdct.core.turn import Turn

CHANCE = 0.02
"""Recall, less chance, up to which frames and truth hardly belong together."""

Truth = Annotated[
    Path,
    typer.Option(
        help="True spots: the table that labdct simulate writes, or a .npz file with "
        "the reflections of an indexed scan.",
        show_default=False,
    ),
]


def evaluate(
    stack: Stack,
    reading: Values,
    truth: Truth,
    settings_of_ways: Values,
    ways: Annotated[
        str,
        typer.Option(
            help="Ways to spots, separated by commas: raw, log, dog, tophat, "
            "conventional, classical, network-single, network; all when left out.",
            show_default=False,
        ),
    ] = "",
    protocol: Annotated[
        Literal["auto", "simulated", "measured"],
        typer.Option(
            help="How to score. Simulated: each way at its best threshold. Measured: "
            "at fixed numbers of spots a frame, with chance taken off, for the truth "
            "of an indexed scan. Auto goes by the truth's file."
        ),
    ] = "auto",
    per_frame: Annotated[
        str, typer.Option(help="Numbers of spots a frame (measured scans).")
    ] = "200,400,600,800",
    tolerance: Annotated[
        float, typer.Option(help="Largest distance to a true spot [px].", min=0.1)
    ] = 2.5,
    border: Annotated[
        str,
        typer.Option(
            help="Border of the frame to leave out [px]; four numbers for above, "
            "below, left and right."
        ),
    ] = "5",
    box: Annotated[
        str,
        typer.Option(
            help="Box to leave out, such as the beam stop's: first row, row after the "
            "last, first column, column after the last.",
            show_default=False,
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Scores to write (CSV).", show_default=False)
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Picture of where each way fails (PNG).", show_default=False),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A model folder, or the name of a built-in model.")
    ] = "default",
    device: Device = "auto",
) -> None:
    """Say how well each way finds the spots of a scan whose true spots are known."""
    from napari_labdct.analysis.indexed import Protocol
    from napari_labdct.workflows.evaluate import (
        iter_ways,
        judged,
        score_measured,
        score_simulated,
    )
    from napari_labdct.workflows.routes import NETWORK, ROUTES, Way
    from napari_labdct.workflows.truth import read_truth, usable, with_expected_snr

    chosen = [word.strip() for word in ways.split(",") if word.strip()]
    unknown = [word for word in chosen if word not in ROUTES]
    if unknown:
        raise InputError(
            f"There is no way to spots named {unknown[0]!r}: choose some of "
            f"{', '.join(ROUTES)}."
        )
    chosen = chosen or list(ROUTES)
    way = validated(Way, merged(Way().model_dump(), settings_of_ways))
    counts = _numbers(per_frame, "spots a frame", "200,400,600")
    corners = [round(v) for v in _numbers(box, "box", "412,607,404,589")]
    if box and len(corners) != 4:
        raise InputError(
            f"A box needs four numbers, not {len(corners)}: give first row, row after "
            "the last, first column, column after the last."
        )
    edges = [round(v) for v in _numbers(border, "border", "5 or 5,5,5,9")]
    if len(edges) not in (1, 4) or min(edges) < 0:
        raise InputError(
            f"A border of {border!r} cannot be left out: give one number of pixels, or "
            "four for above, below, left and right."
        )
    scan = read(stack, reading)
    known, uncertain = read_truth(truth)
    indexed = truth.suffix.lower() == ".npz" or "tier" in known.frame
    measured = protocol == "measured" or (protocol == "auto" and indexed)
    use = usable(scan.shape[1:], edges, corners or None)
    if measured and not use.any():
        raise InputError(
            f"A border of {border} px and the box leave nothing of the frames of "
            f"{scan.shape[1]} × {scan.shape[2]} px: give smaller ones."
        )
    short = len(scan) < way.conventional.window
    if short and not ways:
        chosen.remove("conventional")
        say(f"conventional  left out: it needs {way.conventional.window} projections")
    denoiser = load_denoiser(model, device) if set(chosen) & set(NETWORK) else None
    if not measured and "hidden" not in known.frame:
        known = with_expected_snr(known, scan)
    steps = iter_ways(scan, chosen, denoiser=denoiser, way=way)
    tables = watch(steps, "Finding spots", len(chosen) * len(scan))
    if measured:
        frames = range(len(scan))
        scores = score_measured(
            tables,
            known,
            counts,
            frames=frames,
            uncertain=uncertain,
            use=use,
            protocol=Protocol(tolerance=tolerance),
        )
    else:
        scores = score_simulated(tables, known, tolerance)
    _print(scores, measured)
    if not scores["net" if measured else "recall"].max() > CHANCE:
        say(
            "No way finds more than chance would: if the truth counts rows or columns "
            "from the other end, read the frames with --flip no, rows, columns or both."
        )
    if out:
        from napari_labdct.files import replacing

        with replacing(out) as part:
            scores.to_csv(part, index=False)
        say(f"{out}: scores")
    if picture:
        from napari_labdct.workflows.failures import draw_failures

        shown = judged(tables, scores)
        draw_failures(picture, scan, known, shown, tolerance=tolerance)
        say(f"{picture}: where each way fails")


def identify(
    stack: Stack,
    reading: Values,
    grains: Annotated[
        Path,
        typer.Option(
            help="List of grains (CSV): x_mm, y_mm, z_mm and u11 … u33 or phi1, phi, "
            "phi2 [deg], crystal to sample.",
            show_default=False,
        ),
    ],
    setup: Values,
    crystal: Annotated[
        str, typer.Option(help="Name of a crystal (Al, Fe, …) or a CIF file.")
    ] = "Fe",
    spots: Annotated[
        Path | None,
        typer.Option(
            help="Spot table of this scan; found with matched filters when left out.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Largest distance to a reflection [px].", min=0.1)
    ] = 2.5,
    faintest: Annotated[
        float,
        typer.Option(
            help="Reflections below this part of the brightest are not expected.",
            min=0,
            max=1,
        ),
    ] = 0.01,
    refine: Annotated[
        str,
        typer.Option(
            help="What to refine first, separated by commas: centre_row, "
            "centre_column, tilt_x, tilt_y, tilt_z, source_to_sample, "
            "sample_to_detector, sample_x, sample_y, sample_z, …; usual for centre, "
            "distance and tilts.",
            show_default=False,
        ),
    ] = "",
    out: Annotated[
        Path, typer.Option(help="Folder for spots, reflections and grains (CSV).")
    ] = Path("identified"),
) -> None:
    """Say which reflection of which grain every spot is, and what is missing."""
    from napari_labdct.analysis import advice
    from napari_labdct.core import Geometry, counted
    from napari_labdct.files import (
        make_folder,
        read_spots,
        replacing,
        write_spots,
    )
    from napari_labdct.files.grainlist import read_grain_list
    from napari_labdct.physics import Crystal
    from napari_labdct.workflows.identify import identify as explained
    from napari_labdct.workflows.refine import USUAL, refine_geometry
    from napari_labdct.workflows.spot_finding import iter_spots

    scan = read(stack, reading)
    known = scan.geometry or Geometry(
        detector=Detector(rows=scan.shape[1], columns=scan.shape[2])
    )
    geometry = validated(Geometry, merged(known.model_dump(), setup))
    if geometry.detector.shape != scan.shape[1:]:
        raise InputError(
            f"The geometry's detector has {geometry.detector.shape} pixels, the scan "
            f"{scan.shape[1:]}: give its rows and columns."
        )
    listed, material = read_grain_list(grains), Crystal.named(crystal)
    if spots is not None:
        found = read_spots(spots)
    else:
        steps = counted(iter_spots(scan, None), len(scan))
        found = watch(steps, "Finding spots", len(scan))
    folder = make_folder(out)
    if refine:
        free = USUAL if refine == "usual" else tuple(refine.replace(" ", "").split(","))
        fit = refine_geometry(
            found,
            listed,
            material,
            geometry,
            scan.omega,
            free,
            tolerance=2 * tolerance,
            faintest=faintest,
        )
        say(fit.parameters.round(5).to_string(index=False))
        say(f"median distance {fit.before_px:.3f} px before, {fit.after_px:.3f} after")
        geometry = fit.geometry
        listed = replace(listed, position=listed.position + fit.sample_offset)
        with replacing(folder / "geometry.json") as part:
            part.write_text(geometry.model_dump_json(indent=1), encoding="utf-8")
    answer = explained(
        found,
        listed,
        material,
        geometry,
        scan.omega,
        tolerance=tolerance,
        faintest=faintest,
    )
    write_spots(answer.spots, folder / "spots.csv")
    write_spots(answer.reflections, folder / "reflections.csv")
    with replacing(folder / "grains.csv") as part:
        answer.grains.to_csv(part, index=False)
    say(answer.grains.round(3).to_string(index=False))
    seen, missed = len(answer.reflections), len(answer.missed)
    say(f"{answer.summary} {missed} of {seen} reflections are missed.")
    hint = advice(answer, geometry.detector.shape, tolerance)
    if hint.sentence:
        say(hint.sentence)
    if hint.turn.words:
        flip = hint.turn.after(_turn_of(scan, stack, reading)).name
        say(f"Read them with --flip {flip}.")
    say(f"{folder}: spots.csv, reflections.csv, grains.csv")


def _turn_of(scan: "ProjectionStack", path: Path, reading: Values) -> "Turn":
    """How the frames were turned on reading, by comparison with how they are stored."""
    from napari_labdct.core.turn import TURNS, Turn

    stored = read(path, reading | {"flip": "no"}).frame(0)
    turns = map(Turn.named, TURNS)
    same = (turn for turn in turns if (turn.images(stored) == scan.frame(0)).all())
    return next(same, Turn())


def _numbers(text: str, what: str, example: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        numbers = [nan]
    if not all(map(isfinite, numbers)):
        raise InputError(
            f"The {what} {text!r} cannot be understood: give numbers with commas "
            f"between them, such as {example}."
        )
    return numbers


def _print(scores: "pd.DataFrame", measured: bool) -> None:
    """Two short tables: the overall scores, and those by expected SNR."""
    if measured:
        first = ["route", "spots_per_frame", "net", "unexplained_per_frame", "neutral"]
        parts: tuple[str, ...] = ("recall",)
    else:
        first = ["route", "threshold", "precision", "recall", "f1", "f1_above"]
        first += ["average_precision", "distance_px", "intensity_ratio"]
        parts = ("f1", "recall", "precision", "distance", "intensity")
    kept = [name for name in first if name in scores]
    say(scores[kept].round(3).to_string(index=False))
    label = ["route", "spots_per_frame"] if measured else ["route"]
    for part in parts:
        columns = {
            name: _bin(name)
            for name in scores.columns.astype(str)
            if name.startswith(f"{part}_") and name.split("_")[1][0].isdigit()
        }
        if columns:
            say(f"\n{part} by expected signal-to-noise ratio")
            table = scores[[*label, *columns]].rename(columns=columns)
            say(table.round(3).to_string(index=False))
    say("")


def _bin(name: str) -> str:
    low, high = name.split("_")[1:]
    return f"over {low}" if high == "inf" else f"{low} to {high}"
