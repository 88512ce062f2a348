"""ImageNet weights are found, checked, and never replaced in silence."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from napari_labdct.core import InputError
from napari_labdct.learning.hovad2020 import weights
from napari_labdct.learning.hovad2020.vgg import VggFeatures


@pytest.fixture
def vgg():
    torch.manual_seed(1)
    return VggFeatures("vgg16", 4)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A published file of a small VGG, with a classifier as the real ones have."""
    torch.manual_seed(2)
    state = VggFeatures("vgg16", 4).state_dict()
    state["classifier.0.weight"] = torch.zeros(3, 3)
    plain = tmp_path / "plain.pth"
    torch.save(state, plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    name = f"vgg16-{digest[:8]}.pth"
    monkeypatch.setitem(weights.PUBLISHED, "vgg16", (name, 1))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    folder = tmp_path / "files"
    folder.mkdir()
    return plain.rename(folder / name)


def is_loaded(vgg):
    torch.manual_seed(2)
    wanted = VggFeatures("vgg16", 4).state_dict()
    return all(torch.equal(wanted[k], v) for k, v in vgg.state_dict().items())


def test_from_a_file_a_folder_a_variable_and_the_cache(
    vgg, published, tmp_path, monkeypatch
):
    def fresh():
        return VggFeatures("vgg16", 4)

    for given in (published, published.parent):
        vgg = fresh()
        assert weights.load_imagenet(vgg, "vgg16", given) == published
        assert is_loaded(vgg)
    monkeypatch.setenv(weights.VARIABLE, str(published.parent))
    vgg = fresh()
    weights.load_imagenet(vgg, "vgg16")
    assert is_loaded(vgg)
    monkeypatch.delenv(weights.VARIABLE)
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / published.name).write_bytes(published.read_bytes())
    vgg = fresh()
    assert weights.load_imagenet(vgg, "vgg16").parent == cache
    assert is_loaded(vgg)


def test_a_missing_file_is_named_with_the_remedy(vgg, published, tmp_path):
    before = [p.clone() for p in vgg.parameters()]
    with pytest.raises(InputError) as caught:
        weights.load_imagenet(vgg, "vgg16", tmp_path / "elsewhere")
    said = str(caught.value)
    for part in (published.name, "elsewhere", "LABDCT_WEIGHTS", "random weights"):
        assert part in said
    assert all(map(torch.equal, before, vgg.parameters()))


def test_nothing_is_fetched_without_consent(vgg, published, monkeypatch):
    def fetch(*_, **__):
        raise AssertionError("fetched")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    with pytest.raises(InputError, match="allow the download"):
        weights.load_imagenet(vgg, "vgg16")


def test_with_consent_the_published_file_is_fetched_and_its_hash_asked_for(
    vgg, published, monkeypatch
):
    asked = []

    def fetch(url, target, hash_prefix=None):
        asked.append((url, hash_prefix))
        Path(target).write_bytes(published.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    weights.load_imagenet(vgg, "vgg16", download=True)
    assert is_loaded(vgg)
    prefix = published.stem.split("-")[1]
    assert asked == [(weights.ADDRESS + published.name, prefix)]


def test_a_failed_download_is_one_sentence(vgg, published, monkeypatch):
    def fetch(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    with pytest.raises(InputError, match=r"could not be fetched .*no route to host"):
        weights.load_imagenet(vgg, "vgg16", download=True)


def test_a_damaged_file_is_refused_by_its_hash(vgg, published):
    data = bytearray(published.read_bytes())
    data[len(data) // 2] ^= 1
    published.write_bytes(data)
    with pytest.raises(InputError, match="is damaged"):
        weights.load_imagenet(vgg, "vgg16", published)


@pytest.mark.parametrize("junk", [b"no weights", b"\x80\x02N.", b""])
def test_a_file_of_something_else_is_refused(vgg, published, tmp_path, junk):
    other = tmp_path / "other.pth"
    other.write_bytes(junk)
    with pytest.raises(InputError, match="does not hold the weights of vgg16"):
        weights.load_imagenet(vgg, "vgg16", other)


def test_code_in_a_file_is_not_run(vgg, published, tmp_path):
    class Attack:
        def __reduce__(self):
            return (exit, (3,))

    bad = tmp_path / "bad.pth"
    torch.save({"features.0.weight": Attack()}, bad)
    with pytest.raises(InputError, match="does not hold"):
        weights.load_imagenet(vgg, "vgg16", bad)


def test_the_published_names_promise_their_hash():
    assert {k: v[0] for k, v in weights.PUBLISHED.items()} == {
        "resnet34": "resnet34-b627a593.pth",
        "vgg16": "vgg16-397923af.pth",
        "vgg16_bn": "vgg16_bn-6c64b313.pth",
    }


def test_files_from_before_batch_norm_counted_its_batches_load(tmp_path):
    state = VggFeatures("vgg16_bn", 4).state_dict()
    old = {k: v for k, v in state.items() if "num_batches" not in k}
    torch.save(old, tmp_path / "old.pth")
    vgg = VggFeatures("vgg16_bn", 4)
    weights.load_imagenet(vgg, "vgg16_bn", tmp_path / "old.pth")
    assert torch.equal(vgg.features[0].weight, state["features.0.weight"])
