"""Our DDPM and diffusers' pipelines, both ways, against diffusers itself."""

import io
import json
import warnings
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it says on import is not about us
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from genmodels.cli.parser import main
from genmodels.errors import BadInput
from genmodels.export import diffusers, media
from genmodels.hub import import_diffusers
from genmodels.hub.checkpoints import resolve
from genmodels.instruments.diffusion.denoising import denoised
from genmodels.jobs import background
from genmodels.models.base import build
from genmodels.models.ddpm import DDPM
from genmodels.nn.denoiser import denoiser
from genmodels.probability.diffusion.times import timesteps
from genmodels.probability.samplers import ancestral, walk
from genmodels.runs.store import Run

PAGES = Path(__file__).resolve().parents[1] / "pages"
CONFIGS: dict[str, dict[str, Any]] = {
    "grey, one attends": {"shape": (1, 16, 16), "widths": (16, 32), "attends": (0, 1)},
    "colour, three grids, odd at the coarsest": {"shape": (3, 12, 20), "widths": (8, 16, 24), "attends": (0, 1, 0)},
    "one grid, one head, no middle": {
        "shape": (1, 7, 7), "widths": (16,), "attends": (1,), "head_dim": 0, "attention": False, "depth": 1,
    },
    "as Ho et al.": {
        "shape": (3, 8, 8), "network": "unet2d-ddpm", "widths": (16, 32), "attends": (1, 0), "head_dim": 0,
    },
    "many blocks and groups": {"shape": (1, 8, 8), "widths": (16, 16), "attends": (0, 0), "depth": 3, "groups": 4},
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Warnings inside diffusers are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def ours(seed: int = 0, std: float = 0.1, **what: Any) -> DDPM:
    """A model with no weight left at the zero it starts from."""
    values = {"network": "unet2d", "T": 20} | what
    model = DDPM(values.pop("shape", (1, 8, 8)), **values)
    torch.manual_seed(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model.eval()


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def read(folder: Path) -> tuple[Any, Any, Any]:
    names = diffusers.files_of({str(path.relative_to(folder)) for path in folder.glob("*/*")})
    return tuple(json.loads((folder / names[one]).read_text()) for one in ("index", "unet", "scheduler"))  # type: ignore[return-value]


# The network ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_the_network_says_what_diffusers_says(name: str, tmp_path: Path) -> None:
    model = ours(**CONFIGS[name])
    diffusers.export(model, tmp_path / "out")
    theirs = UNet2DModel.from_pretrained(tmp_path / "out", subfolder="unet").eval()
    assert {f"network.{key}" for key in theirs.state_dict()} == set(model.state_dict())
    x, t = noise(4, *model.shape), torch.tensor([1, 7, 19, 20])
    with torch.no_grad():
        said, expected = model.output(x, t), theirs(x, t - 1).sample
    assert expected.std() > 0.01
    torch.testing.assert_close(said, expected, atol=1e-5, rtol=1e-5)


def test_the_time_is_exact_at_the_end_of_a_thousand() -> None:
    network = denoiser((1, 8, 8), T=1000, classes=0, network="unet2d", widths=(16,), attends=(0,))
    t = torch.arange(1, 1001)
    angles = (t.double() - 1)[:, None] * torch.exp(-torch.log(torch.tensor(1e4)) * torch.arange(8) / 8).double()
    expected = torch.cat([angles.cos(), angles.sin()], 1)
    torch.testing.assert_close(network.features(t.float() / 1000, 16).double(), expected, atol=1e-4, rtol=0)


def test_it_answers_0_before_training_and_learns() -> None:
    torch.manual_seed(0)
    model = DDPM((1, 8, 8), network="unet2d", widths=(16, 32), T=50)
    x = noise(16, 1, 8, 8)
    assert not model.output(x, torch.full((16,), 7)).any()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    losses = []
    for i in range(40):
        loss = model.loss(x, rng=torch.Generator().manual_seed(i % 4))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])


def test_in_half_precision_it_says_nearly_the_same() -> None:
    model, x, t = ours(std=0.05), noise(4, 1, 8, 8), torch.tensor([1, 7, 19, 20])
    with torch.no_grad():
        exact = model.output(x, t)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            said = model.output(x, t)
    assert said.dtype == torch.float32
    assert not torch.equal(said, exact)
    torch.testing.assert_close(said, exact, atol=0.02 * exact.abs().max().item(), rtol=0.05)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"widths": (12, 20), "groups": 8}, "multiple of groups = 8"),
        ({"widths": (16.5, 32)}, "whole numbers"),
        ({"attends": (0, 1, 1)}, "for each of the 2 widths"),
        ({"attends": (0, 0.5)}, "0 or 1"),
        ({"head_dim": 5}, "head_dim = 5"),
        ({"widths": (8, 8, 8, 8, 8), "attends": (0,) * 5}, "cannot be halved 4 times"),
        ({"classes": 10}, "knows no labels"),
    ],
)
def test_numbers_that_do_not_fit_each_other(what: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ours(**what)


# The pipeline ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        {"schedule": "linear", "predict": "eps", "variance": "beta"},
        {"schedule": "linear", "T": 1000, "predict": "eps", "variance": "posterior"},
        {"schedule": "cosine", "predict": "v", "variance": "posterior"},
        {"schedule": "drawn", "predict": "x0", "variance": "beta", "network": "unet2d-ddpm"},
    ],
    ids=lambda how: "-".join(map(str, how.values())),
)
def test_the_pipeline_draws_the_same_samples(how: dict[str, Any], tmp_path: Path) -> None:
    model = ours(std=0.05, widths=(8, 16), depth=1, **how)
    diffusers.export(model, tmp_path / "out")
    pipeline = DDPMPipeline.from_pretrained(tmp_path / "out")
    pipeline.set_progress_bar_config(disable=True)
    steps = 20
    pipeline.scheduler.register_to_config(timestep_spacing="trailing")  # which of a thousand times: as ours are spread
    theirs = pipeline(
        batch_size=3, generator=torch.Generator().manual_seed(5), num_inference_steps=steps, output_type="pt"
    )
    rng = torch.Generator().manual_seed(5)
    x = torch.randn(3, *model.shape, generator=rng)
    visited = timesteps(model.schedule, steps, "uniform")
    with torch.no_grad():
        move = ancestral(model.schedule, rng=rng, variance=model.variance)
        *_, last = walk(move, model.denoiser(), model.schedule, x, visited)
    assert theirs.images.std() > 1e-3
    torch.testing.assert_close(model.to_data(last.x_t), theirs.images, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", CONFIGS)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    model = ours(schedule="cosine", **CONFIGS[name])
    diffusers.export(model, tmp_path / "out")
    back = diffusers.model_of(diffusers.config_of(*read(tmp_path / "out")), tmp_path / f"out/unet/{diffusers.WEIGHTS}")
    assert {k: back.config[k] for k in ("network", "schedule", "T", "predict", "variance", "depth", "groups")} == {
        k: model.config[k] for k in ("network", "schedule", "T", "predict", "variance", "depth", "groups")
    }
    assert back.shape == model.shape
    assert all(torch.equal(back.state_dict()[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    "what",
    [
        {"beta_schedule": "linear", "beta_start": 1e-3, "beta_end": 0.1, "num_train_timesteps": 60},
        {"beta_schedule": "scaled_linear", "num_train_timesteps": 100},
        {"beta_schedule": "sigmoid", "num_train_timesteps": 80},
        {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 90},
        {"beta_schedule": "linear"},
        {"trained_betas": [0.01 * (i + 1) for i in range(30)], "num_train_timesteps": 30},
    ],
    ids=str,
)
def test_every_schedule_of_theirs_is_one_of_ours(what: dict[str, Any]) -> None:
    theirs = DDPMScheduler(**what)
    unet = {**diffusers._unet(ours()), "_class_name": "UNet2DModel"}
    config = diffusers.config_of(
        {"_class_name": "DDPMPipeline"}, unet, {"_class_name": "DDPMScheduler", **theirs.config}
    )
    model = build(config)
    assert isinstance(model, DDPM)
    expected = theirs.alphas_cumprod.double()  # they compute in float32
    torch.testing.assert_close(model.schedule.alpha_bar[1:], expected, rtol=2e-5, atol=1e-9)
    assert (config["schedule"] == "drawn") == (what.get("num_train_timesteps", 1000) not in (90, 1000))


def test_the_network_of_ho_et_al_has_its_size() -> None:
    """Of CIFAR-10, google/ddpm-cifar10-32 on the Hub: 35.7 million weights, as their appendix B says."""
    down, up = (
        ["DownBlock2D", "AttnDownBlock2D", *["DownBlock2D"] * 2],
        [*["UpBlock2D"] * 2, "AttnUpBlock2D", "UpBlock2D"],
    )
    unet = {
        "_class_name": "UNet2DModel", "act_fn": "silu", "attention_head_dim": None, "center_input_sample": False,
        "block_out_channels": [128, 256, 256, 256], "down_block_types": down, "up_block_types": up, "in_channels": 3,
        "out_channels": 3, "downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1, "layers_per_block": 2,
        "mid_block_scale_factor": 1, "norm_eps": 1e-6, "norm_num_groups": 32, "sample_size": 32,
        "time_embedding_type": "positional",
    }  # fmt: skip
    noise = {
        "beta_start": 1e-4,
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "trained_betas": None,
        "clip_sample": True,
    }
    scheduler = {"_class_name": "DDPMScheduler", "variance_type": "fixed_large", "num_train_timesteps": 1000, **noise}
    config = diffusers.config_of({"_class_name": "DDPMPipeline"}, unet, scheduler)
    with torch.device("meta"):
        model = build(config)
    assert sum(p.numel() for p in model.parameters()) == 35_746_307
    assert (config["schedule"], config["variance"], config["network"]) == ("linear", "beta", "unet2d-ddpm")


# A pipeline becomes a run ---------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline that diffusers itself has saved."""
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    torch.manual_seed(3)
    size: dict[str, Any] = {"sample_size": 8, "in_channels": 3, "out_channels": 3, "layers_per_block": 1}
    unet = UNet2DModel(
        **size,
        block_out_channels=(16, 32),
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    folder = tmp_path / "my pipeline"
    DDPMPipeline(unet=unet, scheduler=DDPMScheduler(num_train_timesteps=40)).save_pretrained(folder)
    return folder


def test_their_folder_becomes_a_run(theirs: Path) -> None:
    run = Run(resolve(str(theirs)))
    model, unet = run.model(), UNet2DModel.from_pretrained(theirs, subfolder="unet").eval()
    x, t = noise(2, 3, 8, 8), torch.tensor([3, 40])
    with torch.no_grad():
        torch.testing.assert_close(model.output(x, t), unet(x, t - 1).sample, atol=1e-5, rtol=1e-5)
    assert run.state().status == "finished"
    assert run.plan.data == "elsewhere"
    assert resolve(str(theirs)) == run.path  # known again, not made again
    with pytest.raises(BadInput, match="without its data"):
        len(run.data().test)


def test_weights_that_change_are_taken_anew(theirs: Path) -> None:
    before = Run(resolve(str(theirs))).model().state_dict()
    path = theirs / f"unet/{diffusers.WEIGHTS}"
    save_file({key: value + 1 for key, value in load_file(path).items()}, path)
    after = Run(resolve(str(theirs))).model().state_dict()
    assert all(torch.equal(after[key], value + 1) for key, value in before.items())


def test_old_names_of_attention_and_files_in_one_folder(theirs: Path, tmp_path: Path) -> None:
    flat, names = tmp_path / "flat", {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    flat.mkdir()
    for part in ("unet/config.json", "scheduler/scheduler_config.json", "model_index.json"):
        (flat / Path(part).name).write_bytes((theirs / part).read_bytes())
    old = {}
    for key, value in load_file(theirs / f"unet/{diffusers.WEIGHTS}").items():
        for new, before in names.items():
            key = key.replace(f".{new}.", f".{before}.")
        old[key] = value
    assert any(".query." in key for key in old)
    save_file(old, flat / diffusers.WEIGHTS)
    a, b = (import_diffusers.adopt(folder).model().state_dict() for folder in (theirs, flat))
    assert all(torch.equal(a[key], b[key]) for key in a)


def change(folder: Path, part: str, **what: Any) -> None:
    path = folder / part
    path.write_text(json.dumps(json.loads(path.read_text()) | what))


INDEX, UNET, SCHEDULER = "model_index.json", "unet/config.json", "scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("part", "what", "words"),
    [
        ("model_index.json", {"_class_name": "LDMPipeline"}, "LDMPipeline with a UNet2DModel"),
        (UNET, {"_class_name": "UNet2DConditionModel"}, "with a UNet2DConditionModel"),
        (UNET, {"down_block_types": ["DownBlock2D", "SkipDownBlock2D"]}, "SkipDownBlock2D"),
        (UNET, {"up_block_types": ["UpBlock2D", "AttnUpBlock2D"]}, "up the reverse"),
        (UNET, {"num_class_embeds": 10}, "num_class_embeds = 10"),
        (UNET, {"resnet_time_scale_shift": "scale_shift"}, "scale_shift"),
        (UNET, {"in_channels": 4, "out_channels": 4}, "neither grey nor in colour"),
        (UNET, {"sample_size": 512}, "1 to 128 pixels"),
        (UNET, {"norm_eps": 1e-3}, "norm_eps"),
        (UNET, {"block_out_channels": [16, 64]}, "is not what its config.json says"),
        (UNET, {"block_out_channels": ["16", None]}, "widths"),
        (UNET, {"layers_per_block": 10**9}, "depth"),
        (SCHEDULER, {"_class_name": "ScoreSdeVeScheduler"}, "ScoreSdeVeScheduler"),
        (SCHEDULER, {"variance_type": "learned_range"}, "learned_range"),
        (SCHEDULER, {"prediction_type": "flow"}, "prediction_type flow"),
        (SCHEDULER, {"num_train_timesteps": 10**9}, "10 to 4000"),
        (SCHEDULER, {"trained_betas": [0.1] * 39}, "40 variances"),
        (SCHEDULER, {"trained_betas": {"a": 1}}, "wrong kind"),
        (SCHEDULER, {"beta_schedule": "bogus"}, "bogus"),
        (SCHEDULER, {"rescale_betas_zero_snr": True}, "leave some signal"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_one_sentence(theirs: Path, part: str, what: dict[str, Any], words: str) -> None:
    change(theirs, part, **what)
    with pytest.raises(BadInput) as caught:
        import_diffusers.adopt(theirs)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((theirs.parent / "runs").glob("*/run.json"))


def test_pickles_and_broken_weights_are_not_read(theirs: Path) -> None:
    weights = theirs / f"unet/{diffusers.WEIGHTS}"
    content = weights.read_bytes()
    weights.write_bytes(b"\xff" * len(content))
    with pytest.raises(BadInput, match="not a readable safetensors"):
        import_diffusers.adopt(theirs)
    weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    with pytest.raises(BadInput, match="safetensors is missing"):
        import_diffusers.adopt(theirs)


# The command line -----------------------------------------------------------------------------------------------------


def test_from_the_command_line(theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", str(theirs)]) == 0
    name = json.loads(capsys.readouterr().out.splitlines()[-1])["run"]
    assert main(["sample", name, "-n", "4", "--set", "steps=3", "--out", str(tmp_path / "x.png")]) == 0
    assert main(["export", name, str(tmp_path / "again"), "--to", "diffusers"]) == 0
    a, b = (load_file(folder / f"unet/{diffusers.WEIGHTS}") for folder in (theirs, tmp_path / "again"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    UNet2DModel.from_pretrained(tmp_path / "again", subfolder="unet")
    with zipfile.ZipFile(io.BytesIO(media.pipeline(Run(resolve(name))))) as file:
        assert {f"{name}/{INDEX}", f"{name}/{UNET}", f"{name}/{SCHEDULER}"} < set(file.namelist())
    capsys.readouterr()
    assert main(["evaluate", name]) == 2
    assert "without its data" in capsys.readouterr().err
    assert main(["export", "ddpm-digits", str(tmp_path / "no"), "--to", "diffusers"]) == 2
    assert "--set network=unet2d" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


# The page -------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_on_the_pages(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_known", {})
    page = AppTest.from_file(str(PAGES.parent / "app.py"), default_timeout=60)
    page.query_params["page"] = "checkpoints"
    page.run()
    page.text_input(key="name").set_value(str(theirs)).run()
    page.button(key="adopt-named").click().run()
    for errand in list(background._known.values()):
        assert errand.done.wait(60)
    page.run()
    assert not page.exception
    assert page.button(key="open-adopt-named").label == "Open my pipeline"
    run = Run(resolve(str(theirs)))
    page = AppTest.from_file(str(PAGES / "models/ddpm.py"), default_timeout=60)
    page.query_params["run"] = run.id
    page.run()
    assert not page.exception
    assert "without its data" in " ".join(one.value for one in page.info)  # of noising, which needs an example
    (chooser,) = (one for one in page.button_group if "Denoise" in one.options)
    chooser.set_value("Denoise").run()
    assert not page.exception
    assert "without its data" not in " ".join(one.value for one in page.info)


def ended(task: Generator[float, None, dict[str, Any]]) -> dict[str, Any]:
    """What a task brings."""
    while True:
        try:
            next(task)
        except StopIteration as end:
            return end.value


def test_the_denoising_of_their_model_step_by_step(theirs: Path) -> None:
    run = Run(resolve(str(theirs)))
    found = ended(denoised(run.model(), n=2, seed=0, how={"steps": 5}))
    assert found["x_t"].shape[1:] == (2, 3, 8, 8)
    assert len(found["t"]) == len(found["x_t"]) == len(found["x_0"])
