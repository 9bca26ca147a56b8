"""A DDPM as a pipeline folder of the library diffusers, and such a folder as a DDPM; diffusers itself is not needed.

::

    model_index.json                              what its parts are
    unet/config.json, unet/diffusion_pytorch_model.safetensors
    scheduler/scheduler_config.json               the noise schedule, and what the network predicts

Older repositories have all files in one folder. Times are counted 0 … T − 1 there and 1 … T here. How a sampler clips
x̂_0 is the sampler's: ours always keeps pixels within the data's range, which is ``clip_sample``.
"""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from genmodels.errors import BadInput
from genmodels.files import write, write_json
from genmodels.models.base import GenerativeModel, build
from genmodels.models.ddpm import DDPM
from genmodels.nn.unet_diffusers import CONVENTIONS, UNet2D
from genmodels.probability.schedules import Schedule

__all__ = ["INDEX", "config_of", "export", "files_of", "model_of"]

INDEX, WEIGHTS = "model_index.json", "diffusion_pytorch_model.safetensors"
MOST_SIDE = 128  # pixels
PREDICTS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}
VARIANCES = {"fixed_small": "posterior", "fixed_small_log": "posterior", "fixed_large": "beta"}
SCHEDULERS = ("DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler")  # of one process
BLOCKS = ("DownBlock2D", "AttnDownBlock2D"), ("UpBlock2D", "AttnUpBlock2D")
FIXED = {  # what a UNet2DModel may be beside what a DDPM declares, and its default there
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "mid_block_type": "UNetMidBlock2D",
    "mid_block_scale_factor": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "act_fn": "silu",
    "attn_norm_num_groups": None,
    "resnet_time_scale_shift": "default",
    "class_embed_type": None,
    "num_class_embeds": None,
}
OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # names of attention's layers


# From there -----------------------------------------------------------------------------------------------------------


def files_of(names: Collection[str]) -> dict[str, str]:
    """Which files of a folder are the index, the network's configuration, its weights, and the scheduler's.

    Args:
        names: Their paths in the folder.
    """
    parts = {"unet": "unet/config.json", "weights": f"unet/{WEIGHTS}", "scheduler": "scheduler/scheduler_config.json"}
    return {"index": INDEX} | {part: path if path in names else Path(path).name for part, path in parts.items()}


def config_of(index: Any, unet: Any, scheduler: Any) -> dict[str, Any]:
    """The config.json of the DDPM that a pipeline is.

    Args:
        index: Its model_index.json.
        unet: The configuration of its network.
        scheduler: The configuration of its scheduler.

    Raises:
        BadInput: If it is no unconditional pipeline of images, or made of parts that a DDPM does not have.
    """
    if not all(isinstance(one, Mapping) for one in (index, unet, scheduler)):
        raise BadInput("It is no pipeline: one of its configurations is not a JSON object.")
    if index.get("_class_name") not in ("DDPMPipeline", "DDIMPipeline") or unet.get("_class_name") != "UNet2DModel":
        kind = f"{str(index.get('_class_name'))[:40]} with a {str(unet.get('_class_name'))[:40]}"
        raise BadInput(f"It is a {kind}: only a DDPMPipeline or DDIMPipeline with a UNet2DModel can be used here.")
    try:
        return {"model": "ddpm", "shape": _shape(unet), **_network(unet), **_process(scheduler)}
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput("It is no pipeline: a value of one of its configurations is of the wrong kind.") from None


def _shape(unet: Mapping[str, Any]) -> list[int]:
    size, channels = unet.get("sample_size"), unet.get("in_channels", 3)
    sides = [size, size] if isinstance(size, int) else size
    if not isinstance(sides, list) or len(sides) != 2 or not all(type(n) is int and 0 < n <= MOST_SIDE for n in sides):
        raise BadInput(
            f"Its sample_size is {str(size)[:40]}: images of 1 to {MOST_SIDE} pixels a side can be used here."
        )
    if channels not in (1, 3) or unet.get("out_channels", 3) != channels:
        raise BadInput(
            "Its images are neither grey nor in colour: in_channels and out_channels must be both 1 or both 3."
        )
    return [channels, *sides]


def _network(unet: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of the network."""
    for name, one in FIXED.items():
        if unet.get(name, one) not in (one, {"silu": "swish"}.get(str(one), one)):
            raise BadInput(f"Its network has {name} = {str(unet[name])[:40]}: only {one} can be used here.")
    said = (unet.get("norm_eps", 1e-5), unet.get("downsample_padding", 1), unet.get("freq_shift", 0))
    way = (*said, unet.get("flip_sin_to_cos", True))
    known = {name: (one.eps, one.padding, one.shift, one.cosine_first) for name, one in CONVENTIONS.items()}
    if way not in known.values():
        rows = " or ".join(str(row) for row in known.values())
        raise BadInput(
            f"Its norm_eps, downsample_padding, freq_shift and flip_sin_to_cos are {str(way)[:80]}: "
            f"{rows} can be used here."
        )
    down, up = list(unet["down_block_types"]), list(unet["up_block_types"])
    unknown = [str(one)[:40] for one in down + up if one not in BLOCKS[0] + BLOCKS[1]]
    attends = [BLOCKS[0].index(one) for one in down] if not unknown else []
    if unknown or up != [BLOCKS[1][one] for one in reversed(attends)]:
        what = unknown[0] if unknown else ", ".join(up)[:80]
        raise BadInput(
            f"Its network has the blocks {what}: {' and '.join(BLOCKS[0])}, and up the reverse, can be used."
        )
    return {
        "network": next(name for name, one in known.items() if one == way),
        "widths": unet["block_out_channels"],
        "attends": attends,
        "depth": unet.get("layers_per_block", 2),
        "head_dim": unet.get("attention_head_dim", 8) or 0,
        "groups": unet.get("norm_num_groups", 32),
        "attention": unet.get("add_attention", True),
        "dropout": unet.get("dropout", 0.0),
    }


def _process(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of the noise."""
    if scheduler.get("_class_name") not in SCHEDULERS:
        kind = str(scheduler.get("_class_name"))[:40]
        raise BadInput(f"Its scheduler is a {kind}: {', '.join(SCHEDULERS)} can be used here.")
    predict, variance = scheduler.get("prediction_type", "epsilon"), scheduler.get("variance_type", "fixed_small")
    if predict not in PREDICTS or variance not in VARIANCES:
        raise BadInput(
            f"Its scheduler has prediction_type {str(predict)[:40]} and variance_type {str(variance)[:40]}: "
            f"{', '.join(PREDICTS)} and {', '.join(VARIANCES)} can be used here."
        )
    T = scheduler.get("num_train_timesteps", 1000)
    if type(T) is not int or not 10 <= T <= 4000:
        raise BadInput(f"Its scheduler has {str(T)[:40]} times: 10 to 4000 can be used here.")
    beta = _betas(scheduler, T)
    arguments: dict[str, Any] = {"T": T, "predict": PREDICTS[predict], "variance": VARIANCES[variance]}
    for name in ("linear", "cosine"):
        if torch.allclose(beta, Schedule.named(name, T).beta[1:], rtol=1e-9, atol=0):
            return arguments | {"schedule": name}
    return arguments | {"schedule": "drawn", "knots": Schedule(beta).log_snr[1:].tolist()}


def _betas(scheduler: Mapping[str, Any], T: int) -> Tensor:
    """β_1 … β_T, float64."""
    kind, given = scheduler.get("beta_schedule", "linear"), scheduler.get("trained_betas")
    first, last = float(scheduler.get("beta_start", 1e-4)), float(scheduler.get("beta_end", 0.02))
    if given is not None:
        beta = torch.tensor([float(one) for one in given], dtype=torch.float64)
    elif kind == "linear":
        beta = torch.linspace(first, last, T, dtype=torch.float64)
    elif kind == "scaled_linear":
        beta = torch.linspace(math.sqrt(first), math.sqrt(last), T, dtype=torch.float64) ** 2
    elif kind == "squaredcos_cap_v2":
        beta = Schedule.named("cosine", T).beta[1:]
    elif kind == "sigmoid":
        beta = torch.linspace(-6, 6, T, dtype=torch.float64).sigmoid() * (last - first) + first
    else:
        raise BadInput(f"Its scheduler has beta_schedule = {str(kind)[:40]}, which is not known here.")
    if beta.shape != (T,) or not bool(((beta > 0) & (beta < 1)).all()) or scheduler.get("rescale_betas_zero_snr"):
        raise BadInput(f"Its noise must have {T} variances between 0 and 1, and leave some signal at the end.")
    return beta


def model_of(config: Mapping[str, Any], weights: Path) -> GenerativeModel:
    """The DDPM of ``config`` with the weights of a pipeline.

    Raises:
        BadInput: If they are not its weights.
    """
    try:
        tensors = {_renamed(name): value.float() for name, value in load_file(weights).items()}
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{weights.name} is not a readable safetensors file ({error}).") from None
    model = build(config)
    sizes = {name: value.shape for name, value in model.state_dict().items()}
    wrong = sorted(k for k in sizes.keys() | tensors.keys() if k not in tensors or sizes.get(k) != tensors[k].shape)
    if wrong:
        raise BadInput(f"Its weights do not fit its configuration: {', '.join(wrong[:3])[:200]} differ.")
    model.load_state_dict(tensors)
    return model.eval()


def _renamed(name: str) -> str:
    """The name of a weight here; attention's layers had others in older checkpoints."""
    for old, new in OLD.items():
        name = name.replace(f".{old}.", f".{new}.") if ".attentions." in name else name
    return f"network.{name}"


# To there -------------------------------------------------------------------------------------------------------------


def export(model: GenerativeModel, folder: Path) -> None:
    """Write ``model`` into ``folder`` so that diffusers' ``DDPMPipeline.from_pretrained(folder)`` draws its samples.

    Raises:
        BadInput: If its network is not diffusers' too, or the folder is not empty.
    """
    if not isinstance(model, DDPM) or not isinstance(model.network, UNet2D):
        raise BadInput(
            "Only a DDPM of images whose network diffusers has too can go there: train one with "
            f"--set network={next(iter(CONVENTIONS))} (our own U-Net, faster on processors, has other layers)."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is not empty: choose a new folder.")
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    weights = {name: value.detach().cpu().contiguous() for name, value in model.network.state_dict().items()}
    write_json(folder / "unet/config.json", _unet(model))
    write(folder / f"unet/{WEIGHTS}", save(weights, metadata={"format": "pt"}))
    write_json(folder / "scheduler/scheduler_config.json", _scheduler(model))
    write_json(folder / INDEX, {"_class_name": "DDPMPipeline", "_diffusers_version": "0.30.0", **parts})


def _unet(model: DDPM) -> dict[str, Any]:
    config = model.config
    way, attends = CONVENTIONS[config["network"]], [int(one) for one in config["attends"]]
    sides = list(model.shape[1:])
    return {
        "_class_name": "UNet2DModel",
        **FIXED,
        "sample_size": sides[0] if sides[0] == sides[1] else sides,
        "in_channels": model.shape[0],
        "out_channels": model.shape[0],
        "block_out_channels": [int(n) for n in config["widths"]],
        "down_block_types": [BLOCKS[0][one] for one in attends],
        "up_block_types": [BLOCKS[1][one] for one in reversed(attends)],
        "layers_per_block": config["depth"],
        "attention_head_dim": config["head_dim"] or None,
        "norm_num_groups": config["groups"],
        "add_attention": config["attention"],
        "dropout": config["dropout"],
        "norm_eps": way.eps,
        "downsample_padding": way.padding,
        "freq_shift": way.shift,
        "flip_sin_to_cos": way.cosine_first,
    }


def _scheduler(model: DDPM) -> dict[str, Any]:
    if model.predict not in PREDICTS.values():
        raise BadInput(f"diffusers knows no network that predicts {model.predict}: {', '.join(PREDICTS.values())} go.")
    words = {ours: theirs for theirs, ours in reversed(VARIANCES.items())}
    predicts = {ours: theirs for theirs, ours in PREDICTS.items()}
    config = {
        "_class_name": "DDPMScheduler",
        "num_train_timesteps": model.T,
        "prediction_type": predicts[model.predict],
        "variance_type": words[model.variance],
        "clip_sample": True,
        "clip_sample_range": 1.0,
    }
    match model.config["schedule"]:
        case "linear" if model.T == 1000:
            return config | {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
        case "cosine":
            return config | {"beta_schedule": "squaredcos_cap_v2"}
        case _:
            return config | {"trained_betas": model.schedule.beta[1:].tolist()}
