"""Data sets: splits that stay apart, transforms that keep their laws, files that are whole or refused in words."""

import gzip
import hashlib
import importlib.util
import json
import lzma
import math
import os
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.data import datasets, digits, planes
from genmodels.data import mnist as idx
from genmodels.data.datasets import DATASETS, TRANSFORMS, Data, load
from genmodels.errors import BadInput
from tests.resumption import never_paused

HERE = tuple(name for name, info in DATASETS.items() if not info.folder)
DOWNLOADED = tuple(name for name, info in DATASETS.items() if info.folder)


def rows(x: Tensor) -> list[bytes]:
    return [row.numpy().tobytes() for row in x]


# What is loaded ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HERE)
def test_a_data_set_is_what_its_info_says(name: str) -> None:
    info, loaded = DATASETS[name], load(name)
    assert (loaded.name, loaded.shape, loaded.levels) == (name, info.shape, info.levels)
    assert loaded.classes == info.classes or name == "drawing"
    assert info.kind == ("plane" if loaded.plane else "images")
    assert bool(info.extent) == (info.kind == "plane")
    for split in (loaded.train, loaded.validation, loaded.test):
        assert split.x.shape == (len(split), *info.shape)
        assert split.x.dtype == (torch.uint8 if info.levels else torch.float32)
        assert (split.y.dtype, split.y.shape) == (torch.int64, (len(split),))
        assert 0 <= split.y.min() <= split.y.max() < max(1, len(loaded.classes))


@pytest.mark.parametrize("name", HERE)
def test_a_data_set_is_loaded_once_and_shared(name: str) -> None:
    assert load(name) is load(name)
    assert load(name).to("cpu") is load(name)


def test_threads_that_ask_at_once_share_one_tensor() -> None:
    datasets._points.cache_clear()
    found: list[Data] = []
    threads = [threading.Thread(target=lambda: found.append(load("ring"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1


@pytest.mark.parametrize("name", planes.PLANES)
def test_a_plane_is_drawn_in_three_parts_from_one_seed(name: str) -> None:
    loaded = load(name)
    splits = (loaded.train, loaded.validation, loaded.test)
    assert [len(split) for split in splits] == [50_000, 2_000, 5_000]
    assert len(set(rows(torch.cat([split.x for split in splits])))) == 57_000
    datasets._points.cache_clear()
    assert torch.equal(load(name).test.x, loaded.test.x)
    assert loaded.plane is not None
    assert loaded.log_prob is not None
    assert torch.equal(loaded.log_prob(loaded.test.x), loaded.plane.log_prob(loaded.test.x))


@pytest.mark.parametrize("name", planes.PLANES)
def test_the_first_points_of_a_plane_are_those_that_were_all_once(name: str) -> None:
    loaded, rng = load(name), random.generator(0)
    assert loaded.plane is not None
    for split, n in ((loaded.train, 10_000), (loaded.validation, 2_000), (loaded.test, 5_000)):
        x, y = loaded.plane.draw(n, rng)
        assert torch.equal(split.x[:n], x)
        assert torch.equal(split.y[:n], y)


def test_the_digits_are_those_of_scikit_learn_each_in_one_split() -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x, y = torch.from_numpy(images).to(torch.uint8), torch.from_numpy(labels)
    loaded = load("digits")
    splits = (loaded.train, loaded.validation, loaded.test)
    assert [len(split) for split in splits] == [1_437, 180, 180]
    assert x.max() == loaded.levels - 1
    ours = [image + bytes([label]) for split in splits for image, label in zip(rows(split.x), split.y, strict=True)]
    assert sorted(ours) == sorted(image + bytes([label]) for image, label in zip(rows(x), y, strict=True))
    for split in splits:  # stratified
        assert (split.y.bincount() / len(split) - y.bincount() / len(y)).abs().max() < 0.01


def test_the_digits_need_not_import_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    table = digits.table()
    monkeypatch.undo()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert (table == digits.table()).all()


def test_the_splits_of_the_digits_never_change() -> None:
    loaded = load("digits")
    x = b"".join(rows(torch.cat([loaded.train.x, loaded.validation.x, loaded.test.x])))
    assert hashlib.sha256(x).hexdigest()[:16] == "d0bf66e8d93a648d"


@pytest.mark.parametrize("name", ["mnist-dynamic", "digits-dynamic"])
def test_what_is_drawn_is_white_as_often_as_it_is_bright_and_new_every_time(name: str) -> None:
    drawn, grey = load(name), load(DATASETS[name].grey)
    assert drawn.train is grey.train
    assert torch.equal(
        grey.prepare(grey.train.x[:9], "unit"), grey.train.x[:9].float() / (grey.levels - 1)
    )  # as it was
    rng = random.generator(0)
    x, n = grey.train.x[:20], 400
    draws = torch.stack([drawn.prepare(x, "unit", rng) for _ in range(n)])
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    p = x.float() / (grey.levels - 1)
    # Hoeffding: no pixel of 20 pictures is further off than this but with probability 1e-6
    most = math.sqrt(math.log(2 * x.numel() / 1e-6) / (2 * n))
    assert (draws.mean(0) - p).abs().max() < most
    assert torch.equal(draws[:, p == 0].unique(), torch.zeros(1))
    assert torch.equal(draws[:, p == 1].unique(), torch.ones(1))
    assert not torch.equal(draws[0], draws[1])


@pytest.mark.parametrize("name", ["mnist-dynamic", "digits-dynamic"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_what_a_model_is_judged_on_is_drawn_once(name: str, part: str) -> None:
    drawn, grey = load(name), load(DATASETS[name].grey)
    x, y = getattr(drawn, part).x, getattr(drawn, part).y
    assert set(x.unique().tolist()) == {0, drawn.levels - 1}
    assert torch.equal(y, getattr(grey, part).y)
    for inputs in ("unit", "threshold", "stochastic", "signed"):
        first, second = (drawn.prepare(x[:50], inputs, random.generator(seed)) for seed in (0, 1))
        assert torch.equal(first, second)
    brightness = getattr(grey, part).x.double().mean() / (grey.levels - 1)
    # the variance of a pixel is ¼ at most; six standard errors
    assert abs(x.double().mean() / (drawn.levels - 1) - brightness) < 6 * 0.5 / math.sqrt(x.numel())
    datasets._drawn_from.cache_clear()
    assert torch.equal(getattr(load(name), part).x, x)


def test_what_is_drawn_once_is_the_same_everywhere_and_white_as_often_as_it_is_bright() -> None:
    drawn, grey = load("mnist-static"), load("mnist")
    assert drawn.levels == 2
    sums = {part: hashlib.sha256(getattr(drawn, part).x.numpy().tobytes()).hexdigest()[:16] for part in datasets.PARTS}
    assert sums == {"train": "5a0642fd04351edd", "validation": "f68fa4307ebc67d7", "test": "65d23e3a6af7baae"}
    for part in datasets.PARTS:
        x, g = getattr(drawn, part).x, getattr(grey, part).x
        assert torch.equal(getattr(drawn, part).y, getattr(grey, part).y)
        assert (x[g == 0] == 0).all()
        assert (x[g == 255] == 1).all()
        for level in (1, 64, 128, 254):  # a binomial's share: six standard errors, and what 16 bits round
            of = x[g == level].double()
            assert abs(of.mean() - level / 255) < 2**-16 + 6 * 0.5 / math.sqrt(len(of))
    assert torch.equal(drawn.prepare(drawn.test.x[:9], "threshold"), drawn.prepare(drawn.test.x[:9], "unit"))


@pytest.mark.parametrize("inputs", TRANSFORMS)
def test_every_transform_of_what_is_drawn_is_of_black_and_white(inputs: str) -> None:
    drawn, grey = load("mnist-dynamic"), load("mnist")
    x = drawn.prepare(drawn.train.x[:64], inputs, random.generator(3))
    bare = replace(grey, is_drawn=False)
    known = [bare.prepare(torch.tensor([0, 255], dtype=torch.uint8), inputs, random.generator(0))]
    gap = torch.stack([(x - value).abs() for value in known[0]]).min(0).values.max()
    assert gap <= (1 / 256 if inputs == "dequantize" else 0)


def test_a_training_on_what_is_drawn_that_was_paused_goes_on_as_if_it_never_was() -> None:
    from genmodels.models.vae import VAE
    from genmodels.training.loop import Training
    from genmodels.training.settings import Settings

    settings = Settings(steps=6, batch_size=8)
    never_paused(lambda: Training(VAE((1, 8, 8), hidden=16), load("digits-dynamic"), settings), at=3)


def test_mnist_holds_out_a_fixed_thousand() -> None:
    mnist = load("mnist")
    assert [len(split) for split in (mnist.train, mnist.validation, mnist.test)] == [59_000, 1_000, 10_000]
    everything = sorted(rows(torch.cat([mnist.train.x, mnist.validation.x])[:, 0]))
    assert everything == sorted(rows(idx.shipped("train-images-idx3-ubyte")))  # each picture in just one of the two
    assert mnist.validation.y.bincount().tolist() == [110, 116, 96, 105, 96, 83, 111, 111, 86, 86]
    assert mnist.test.y.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.train.y.bincount().add(mnist.validation.y.bincount())[1] == 6742  # ones in the file, by its authors


MD5 = {  # of the uncompressed files, as several projects that check theirs have them
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.mark.parametrize("name", MD5)
def test_mnist_ships_as_its_authors_made_it(name: str) -> None:
    shape, values = idx.FILES[name], idx.shipped(name)
    header = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
    assert hashlib.md5(header + values.numpy().tobytes()).hexdigest() == MD5[name]
    downloaded = Path(os.environ.get("GENMODELS_DATA", "nowhere")) / "MNIST" / "raw" / name
    if downloaded.exists():
        assert torch.equal(values, idx.read(downloaded, shape))


def test_who_looks_at_the_test_set_holds_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does: of MNIST it reads a seventh."""
    asked: list[str] = []
    shipped = idx.shipped
    monkeypatch.setattr(idx, "shipped", lambda name: asked.append(name) or shipped(name))
    datasets._images.cache_clear()
    mnist = load("mnist")
    assert mnist.device == mnist.test.x.device
    assert len(mnist.test) == 10_000
    assert asked == ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    assert (len(mnist.validation), len(mnist.train)) == (1_000, 59_000)
    assert mnist.train.x is mnist.train.x
    assert sorted(asked) == sorted(idx.FILES)  # each once
    with pytest.raises(AttributeError):
        mnist.train.z  # noqa: B018
    datasets._images.cache_clear()


def test_mnist_is_small_enough_to_ship_and_says_whose_it_is() -> None:
    files = [file for file in idx.MNIST.iterdir() if file.suffix == ".xz"]
    assert {file.stem for file in files} == set(idx.FILES)
    assert max(file.stat().st_size for file in files) < 10_000_000  # a larger one the Hub takes through LFS alone
    assert sum(file.stat().st_size for file in files) <= 11_000_000
    notice = (idx.MNIST / "NOTICE.md").read_text(encoding="utf-8")
    for word in ("Yann LeCun", "CC BY-SA 3.0", "Alpaydin", "CC BY 4.0", "features-mnist", *idx.SHA256.values()):
        assert word in notice


@pytest.mark.parametrize("damage", ["missing", "pointer", "short", "another"])
def test_a_shipped_file_that_is_not_the_authors_is_refused_in_words(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "t10k-labels-idx1-ubyte"
    whole = (idx.MNIST / f"{name}.xz").read_bytes()
    another = bytearray(lzma.decompress(whole))
    another[-1] ^= 1
    pointer = b"version https://git-lfs.github.com/spec/v1"  # what a clone without its large files has
    content = {"pointer": pointer, "short": whole[:-100], "another": lzma.compress(another)}
    if damage in content:
        (tmp_path / f"{name}.xz").write_bytes(content[damage])
    monkeypatch.setattr(idx, "MNIST", tmp_path)
    with pytest.raises(BadInput, match=rf"{name}\.xz (cannot be read \(.+\)|is damaged): it comes with the library"):
        idx.shipped(name)


def test_mnist_needs_neither_a_network_nor_a_folder_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "fetch", lambda *_: pytest.fail("nothing is to be downloaded"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    assert load("mnist", root=tmp_path) is load("mnist")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "MNIST", "cifar", "../mnist", "/etc/passwd", "digits/..", None, 3])
def test_an_unknown_name_is_refused_and_never_a_path(name: object) -> None:
    with pytest.raises(BadInput, match=r"There is no data set .*: it may be mnist, digits, fashion-mnist"):
        load(name)  # type: ignore[arg-type]


# Drawings ---------------------------------------------------------------------------------------------------------


def test_a_drawing_is_loaded_again_from_what_a_run_keeps() -> None:
    strokes = [[(0.1, 0.2), (0.7, 0.9)], [(0.5, 0.5)]]
    drawn = datasets.drawing(strokes, width=0.04)
    kept = json.loads(json.dumps({"data": drawn.name, "data_arguments": drawn.arguments}))
    datasets._points.cache_clear()
    again = load(kept["data"], kept["data_arguments"])
    assert again is not drawn
    assert torch.equal(again.train.x, drawn.train.x)
    assert again.arguments == drawn.arguments
    assert again.arguments == datasets.checked("drawing", {"strokes": strokes, "width": 0.04})
    assert not torch.equal(load("drawing").train.x, drawn.train.x)


def test_the_arguments_of_a_drawing_are_complete_and_of_other_data_none() -> None:
    heart = datasets.checked("drawing")
    assert load("drawing", heart) is load("drawing")
    assert set(heart) == {"strokes", "width"}
    assert datasets.checked("drawing", {"width": 0.1}) == heart | {"width": 0.1}
    assert [datasets.checked(name) for name in DATASETS if name != "drawing"] == [{}] * (len(DATASETS) - 1)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("drawing", {"strokes": []}, "The drawing is empty"),
        ("drawing", {"root": "/etc"}, "The data set drawing takes strokes and width, not"),
        ("drawing", [1], "The data set drawing takes strokes and width, not"),
        ("ring", {"sigma": 1}, "The data set ring takes no arguments, not"),
        ("mnist", {"root": "/etc"}, "The data set mnist takes no arguments, not"),
    ],
)
def test_arguments_that_a_data_set_does_not_take_are_refused(name: str, arguments: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load(name, arguments)  # type: ignore[arg-type]


# Devices ----------------------------------------------------------------------------------------------------------


def test_data_are_copied_to_a_device_once_and_know_the_way_back() -> None:
    loaded = load("digits")
    there = loaded.to("meta")
    assert there.device == there.test.y.device == torch.device("meta")
    assert loaded.to(torch.device("meta")) is there is load("digits", device="meta")
    assert there.to("cpu") is loaded
    assert (there.name, there.levels, there.classes) == (loaded.name, loaded.levels, loaded.classes)


def test_other_examples_in_place_of_the_loaded_ones_stay_apart_from_them() -> None:
    loaded = load("digits")
    loaded.to("meta")
    few = replace(loaded, train=loaded.test)
    assert len(few.to("meta").train) == len(loaded.test)


# Transforms -------------------------------------------------------------------------------------------------------


def every_level(levels: int, n: int) -> Tensor:
    return torch.arange(levels).to(torch.uint8).repeat_interleave(n).view(-1, 1, 1, 1)


def with_levels(levels: int) -> Data:
    return replace(load("digits"), levels=levels)


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize(
    ("inputs", "low", "high"),
    [("unit", 0, 1), ("threshold", 0, 1), ("stochastic", 0, 1), ("signed", -1, 1)],
)
def test_a_transform_maps_black_and_white_to_the_ends_of_its_range(
    inputs: str, low: float, high: float, levels: int
) -> None:
    x = with_levels(levels).prepare(every_level(levels, 10), inputs, random.generator(0))
    assert (x.dtype, x.shape) == (torch.float32, (10 * levels, 1, 1, 1))
    assert (x[:10] == low).all()
    assert (x[-10:] == high).all()
    assert ((x >= low) & (x <= high)).all()


def test_threshold_is_white_above_one_half() -> None:
    x = with_levels(17).prepare(every_level(17, 1), "threshold").flatten()
    assert x.tolist() == [0.0] * 9 + [1.0] * 8  # 8 / 16 is one half and not above
    assert with_levels(256).prepare(every_level(256, 1), "threshold").sum() == 128


def test_stochastic_is_white_with_the_grey_as_its_probability_anew_each_time() -> None:
    rng, n = random.generator(1), 4_000
    some = with_levels(17)
    first, second = (some.prepare(every_level(17, n), "stochastic", rng) for _ in range(2))
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(first, second)
    p = torch.arange(17) / 16
    off = first.view(17, n).mean(1) - p
    assert (off.abs() <= 4.5 * (p * (1 - p) / n).sqrt()).all()
    again = some.prepare(every_level(17, n), "stochastic", random.generator(1))
    assert torch.equal(first, again)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_dequantize_is_undone_by_the_floor(levels: int) -> None:
    x = every_level(levels, 400_000 // levels)
    dequantized = with_levels(levels).prepare(x, "dequantize", random.generator(2))
    assert ((dequantized > 0) & (dequantized < 1)).all()
    assert torch.equal((dequantized * levels).floor().to(torch.uint8), x)


@pytest.mark.parametrize("u", [0.0, 1 - 2**-24])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_dequantize_is_undone_by_the_floor_at_the_ends_of_the_noise(
    levels: int, u: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "rand", lambda *size, **_: torch.full(size, u))
    x = every_level(levels, 1)
    dequantized = with_levels(levels).prepare(x, "dequantize")
    assert ((dequantized > 0) & (dequantized < 1)).all()
    assert torch.equal((dequantized * levels).floor().to(torch.uint8), x)


def test_dequantize_is_uniform_within_a_level() -> None:
    n = 100_000
    u = with_levels(17).prepare(every_level(17, n)[5 * n : 6 * n], "dequantize", random.generator(3)) * 17 - 5
    assert u.mean().item() == pytest.approx(1 / 2, abs=4 / math.sqrt(12 * n))
    assert u.var().item() == pytest.approx(1 / 12, abs=4 / math.sqrt(180 * n))


@pytest.mark.parametrize("inputs", TRANSFORMS)
def test_points_of_the_plane_stay_as_they_are(inputs: str) -> None:
    loaded = load("two-moons")
    assert loaded.prepare(loaded.train.x, inputs) is loaded.train.x


@pytest.mark.parametrize("inputs", TRANSFORMS)
def test_the_examples_themselves_are_never_changed(inputs: str) -> None:
    loaded = load("digits")
    before = loaded.train.x.clone()
    loaded.prepare(loaded.train.x, inputs, random.generator(0))
    assert torch.equal(loaded.train.x, before)


def test_an_unknown_transform_is_refused() -> None:
    with pytest.raises(BadInput, match="There is no transform 'logit': it may be unit, threshold, stochastic"):
        load("digits").prepare(load("digits").train.x, "logit")


def test_bits_per_dimension_of_uniform_noise_are_those_of_a_pixel() -> None:
    loaded = load("digits")
    assert loaded.bits_per_dim(torch.zeros(1)).item() == pytest.approx(math.log2(17))  # the uniform density on [0, 1)
    certain = torch.tensor(-64 * math.log(17))  # all mass in one cell: nothing is left to tell
    assert loaded.bits_per_dim(certain).item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="ring has no grey levels"):
        load("ring").bits_per_dim(torch.zeros(1))


# Files ------------------------------------------------------------------------------------------------------------


def idx_file(shape: tuple[int, ...], value: int = 7) -> bytes:
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    return header + bytes([value]) * math.prod(shape)


def test_an_idx_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(idx_file((2, 3, 4))[:-1] + b"\xff")
    x = idx.read(tmp_path / "file", (2, 3, 4))
    assert (x.dtype, x.shape) == (torch.uint8, (2, 3, 4))
    assert x.flatten().tolist() == [7] * 23 + [255]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"<html>not found</html>",
        idx_file((2, 3))[:-1],  # cut off
        idx_file((2, 3)) + b"\x00",
        idx_file((3, 2)),
        b"\x01" + idx_file((2, 3))[1:],
        gzip.compress(idx_file((2, 3)), mtime=0),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadInput, match=r"file is damaged or another file: .*; delete it and load again\.$"):
        idx.read(tmp_path / "file", (2, 3))


def test_labels_that_are_none_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(idx_file((5,), 10))
    with pytest.raises(BadInput, match="its labels should be 0 to 9"):
        idx.read(tmp_path / "labels", (5,))
    with pytest.raises(BadInput, match="cannot be read"):
        idx.read(tmp_path, (5,))


# Downloads --------------------------------------------------------------------------------------------------------

SHAPES = {
    "train-images-idx3-ubyte": (1_200, 28, 28),
    "train-labels-idx1-ubyte": (1_200,),
    "t10k-images-idx3-ubyte": (100, 28, 28),
    "t10k-labels-idx1-ubyte": (100,),
}


@dataclass
class Mirror:
    """A web server on this computer that stands for torchvision's, with smaller files."""

    url: str
    archives: dict[str, bytes]
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    import torchvision.datasets

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            served.asked.append(name)
            if name not in served.archives:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(served.archives[name])))
            self.end_headers()
            self.wfile.write(served.archives[name])

        def log_message(self, *_: object) -> None:
            pass

    archives = {f"{name}.gz": gzip.compress(idx_file(shape), 1) for name, shape in SHAPES.items()}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Mirror(f"http://127.0.0.1:{server.server_port}/", archives)
        checksums = [(name, hashlib.md5(content).hexdigest()) for name, content in archives.items()]
        for folder in ("FashionMNIST", "KMNIST"):
            monkeypatch.setattr(getattr(torchvision.datasets, folder), "mirrors", [served.url])
            monkeypatch.setattr(getattr(torchvision.datasets, folder), "resources", checksums)
        monkeypatch.setattr(idx, "FILES", SHAPES)
        monkeypatch.setenv("no_proxy", "*")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_download_tells_how_far_it_is_and_is_done_once(name: str, mirror: Mirror, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    loaded = load(name, root=tmp_path, progress=lambda *what: told.append(what))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] == pytest.approx(1)
    assert f"Downloading {DATASETS[name].title}: 0.0 of 0.0 MB" in told[0][1]
    assert [len(split) for split in (loaded.train, loaded.validation, loaded.test)] == [200, 1_000, 100]
    assert loaded.test.y.unique().tolist() == loaded.test.x.unique().tolist() == [7]
    assert sorted(path.name for path in (tmp_path / DATASETS[name].folder / "raw").iterdir()) == sorted(SHAPES)
    asked = len(mirror.asked)
    assert load(name, root=tmp_path) is loaded
    assert len(mirror.asked) == asked == 4


def test_torchvision_itself_finds_what_was_downloaded(mirror: Mirror, tmp_path: Path) -> None:
    from torchvision.datasets import FashionMNIST

    loaded = load("fashion-mnist", root=tmp_path)
    theirs = FashionMNIST(tmp_path, train=False)
    assert torch.equal(theirs.data, loaded.test.x[:, 0])
    assert torch.equal(theirs.targets, loaded.test.y)


def test_a_download_that_was_killed_leaves_no_half_file_and_is_taken_up_again(mirror: Mirror, tmp_path: Path) -> None:
    def killed(fraction: float, text: str) -> None:
        if len(mirror.asked) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load("fashion-mnist", root=tmp_path, progress=killed)
    assert {path.name for path in (tmp_path / "FashionMNIST" / "raw").iterdir()} == set([*SHAPES][:2])
    load("fashion-mnist", root=tmp_path)
    assert mirror.asked == [f"{name}.gz" for name in [*SHAPES][:3] + [*SHAPES][2:]]


@pytest.mark.parametrize("whole", [True, False])
def test_what_has_a_wrong_checksum_is_never_kept(whole: bool, mirror: Mirror, tmp_path: Path) -> None:
    good = dict(mirror.archives)
    sent = b"<html>log in first</html>" if whole else good["train-images-idx3-ubyte.gz"][:-9]
    mirror.archives["train-images-idx3-ubyte.gz"] = sent
    with pytest.raises(BadInput, match=r"Fashion-MNIST is not in .*the checksum of http://.* is wrong"):
        load("fashion-mnist", root=tmp_path)
    assert not list(tmp_path.rglob("train-images*"))
    mirror.archives = good
    assert len(load("fashion-mnist", root=tmp_path).test) == 100


def test_a_second_mirror_is_asked_where_the_first_fails(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", [f"{mirror.url}gone/", mirror.url])
    assert len(load("fashion-mnist", root=tmp_path).test) == 100
    assert len(mirror.asked) == 8


def test_archives_that_somebody_has_put_there_need_no_network(mirror: Mirror, tmp_path: Path) -> None:
    raw = tmp_path / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in mirror.archives.items():
        (raw / name).write_bytes(content)
    assert len(load("kmnist", root=tmp_path).test) == 100
    assert mirror.asked == []


def test_without_a_network_one_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: Mirror
) -> None:
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody listens there
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
    with pytest.raises(BadInput) as refused:
        load("fashion-mnist")
    message = str(refused.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert f"Fashion-MNIST is not in {tmp_path} and could not be downloaded" in message
    assert "GENMODELS_DATA" in message
    assert message.endswith("or take the data set mnist, which works offline.")


def test_the_folder_of_the_files_is_the_one_asked_for_else_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", "/somewhere")
    assert datasets.home() == Path("/somewhere")
    monkeypatch.delenv("GENMODELS_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert datasets.home() == Path("/cache/genmodels")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert datasets.home() == Path("~/.cache/genmodels").expanduser()


def test_every_plane_is_a_data_set() -> None:
    assert set(planes.PLANES) == {name for name, info in DATASETS.items() if info.kind == "plane"}
