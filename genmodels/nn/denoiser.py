"""The networks that a diffusion may have, and what can be chosen of each: one of images in two makes, one of points."""

from typing import Annotated, Any

from genmodels.errors import BadInput
from genmodels.hyperparameters import IMAGES, POINTS, Between, Numbers, Only, Switch, Where
from genmodels.nn.unet import PointNet, UNet
from genmodels.nn.unet_diffusers import CONVENTIONS, UNet2D

__all__ = ["denoiser"]

OURS = Where(lambda kind, network: kind == "images" and network == "unet")
THEIRS = Where(lambda kind, network: kind == "images" and network != "unet")


def denoiser(
    shape: tuple[int, ...],
    *,
    T: int,
    classes: int,
    says: int = 1,
    width: Annotated[int, Between(8, 256, "channels of the U-Net at its finest grid", log=True), OURS] = 32,
    depth: Annotated[int, Between(1, 6, "blocks at each grid of the U-Net; layers for points")] = 2,
    levels: Annotated[int, Between(0, 4, "how often the U-Net halves its grid"), OURS] = 1,
    patch: Annotated[int, Between(1, 4, "side of the squares of pixels that the U-Net takes as one"), OURS] = 2,
    attention: Annotated[bool, Switch("the U-Net's coarsest grid (unet2d: its middle) attends"), IMAGES] = True,
    fourier: Annotated[int, Between(0, 10, "sines 2ⁿ⁻¹πx and 2ⁿπx that the U-Net sees beside x; 0: none"), OURS] = 0,
    network: Annotated[
        str, Only(("unet", *CONVENTIONS), "of images: our U-Net, or one to exchange with diffusers"), IMAGES
    ] = "unet",
    widths: Annotated[tuple[float, ...], Numbers(1, 8, 8, 1024, "channels of unet2d's grids"), THEIRS] = (32, 64),
    attends: Annotated[tuple[float, ...], Numbers(1, 8, 0, 1, "which of them attend: 0, 1"), THEIRS] = (0, 1),
    head_dim: Annotated[int, Between(0, 1024, "channels of a head of unet2d's attention; 0: one head"), THEIRS] = 8,
    groups: Annotated[int, Between(1, 128, "groups in which networks of images normalize channels"), IMAGES] = 2,
    hidden: Annotated[int, Between(16, 1024, "units of a layer, for points", log=True), POINTS] = 128,
    dropout: Annotated[float, Between(0, 0.9, "features forgotten at random while training")] = 0.0,
) -> UNet | UNet2D | PointNet:
    r"""The network of data of one shape, which is asked (x_t, t / T, y) and answers with the shape of x_t.

    ``T`` is the number of steps, in which networks of diffusers count, and ``classes`` that of the labels. It says
    ``says`` things of each dimension: answers have so many times as many channels.

    Raises:
        BadInput: If a network of diffusers is to say more than one thing.
    """
    common: dict[str, Any] = {"depth": depth, "dropout": dropout, "classes": classes}
    if len(shape) == 1:
        return PointNet(shape[0], hidden=hidden, says=says, **common)
    common |= {"attention": attention, "groups": groups}
    if network == "unet":
        return UNet(shape, width=width, levels=levels, patch=patch, says=says, fourier=fourier, **common)
    if says > 1:
        raise BadInput(f"network = {network} says no variance: use network = unet where variance = learned.")
    of_unet2d: dict[str, Any] = {"widths": widths, "attends": attends, "head_dim": head_dim}
    return UNet2D(shape, T=T, convention=network, **of_unet2d, **common)
