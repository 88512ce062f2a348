"""What the pages tell a reader to type works: on the sample scan where it is quick."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer

from napari_labdct.cli import _recipe, build, main
from napari_labdct.files import read_spots, read_stack, sample_path

ROOT = Path(__file__).parents[1]


def commands(page: str) -> list[list[str]]:
    """The words after `labdct` of every command on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```|((?:^ {4}labdct .*\n)+)", text)
    lines = "".join(fenced or indented for fenced, indented in blocks)
    lines = lines.replace("\\\n", " ").splitlines()
    ours = [line.strip() for line in lines if line.strip().startswith("labdct ")]
    return [shlex.split(line, comments=True)[1:] for line in ours]


def pages() -> list[Path]:
    docs = [ROOT / "docs" / name for name in (".", "howto", "decisions")]
    written = [page for folder in docs for page in sorted(folder.glob("*.md"))]
    card = (
        ROOT / "src" / "napari_labdct" / "assets" / "models" / "default" / "README.md"
    )
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", card, *written]


def every_command():
    for page in pages():
        for words in commands(page.relative_to(ROOT).as_posix()):
            yield pytest.param(words, id=f"{page.name}: {' '.join(words)}")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:benchmarks|docs|examples|src|tests|tools)/[\w./-]+)", text
    )
    named += [f"benchmarks/{name}" for name in re.findall(r"bench_\w+\.py", text)]
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("words", list(every_command()))
def test_a_command_is_understood(words):
    if "--help" in words:
        pytest.skip("explains itself; the command's own tests look at that")
    group = typer.main.get_command(build(words[0], _recipe(words)))
    verb = group.commands[words[0]]
    # Reads verb, options and values as the command would, and runs nothing.
    verb.make_context(f"labdct {words[0]}", words[1:])


def test_unknown_options_are_seen():
    verb = typer.main.get_command(build("clean")).commands["clean"]
    with pytest.raises(Exception, match="no-such-option"):
        verb.make_context("labdct clean", ["scan.tif", "--no-such-option"])


ROOMS = (
    "core",
    "calibration",
    "files",
    "preparation",
    "physics",
    "learning",
    "analysis",
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_in_the_reference(room):
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = {line.split(".")[-1].strip() for line in page.splitlines()}
    names = importlib.import_module(f"napari_labdct.{room}").__all__
    # Constants are explained where they are used.
    assert {name for name in names if not name.isupper()} <= listed


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """The folder after all commands of the tutorial."""
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copy(sample_path(), folder / "scan.tif")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in commands("docs/tutorial.md"):
            with pytest.raises(SystemExit) as end:
                main(words)
            assert not end.value.code, words
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestTutorial:
    def test_the_scan_is_clean(self, tutorial):
        scan, cleaned = (read_stack(tutorial / f"{n}.tif") for n in ("scan", "cleaned"))
        assert cleaned.images.shape == scan.images.shape
        # The scan has a noise of some 43 grey values.
        assert (cleaned.frame(5) < 1).mean() > 0.8
        assert cleaned.frame(5).max() > 500

    def test_a_profile_per_line(self, tutorial):
        assert "cleaned" in (tutorial / "profiles.csv").read_text(encoding="utf-8")

    def test_spots_are_found_in_every_projection(self, tutorial):
        found = read_spots(tutorial / "spots.csv").frame
        assert set(found["projection"]) == set(range(12))

    def test_all_of_it_at_once(self, tutorial):
        names = {path.name for path in (tutorial / "results").iterdir()}
        assert names >= {"cleaned.tif", "difference.tif", "spots.csv", "figure.png"}

    def test_a_virtual_scan_with_its_truth(self, tutorial):
        assert len(read_stack(tutorial / "virtual.tif")) == 9
        assert len(read_spots(tutorial / "virtual_spots.csv").frame) > 100
