"""The theory panels: what is declared is drawn, every number has a name, and the code shown is what runs."""

import ast
import colorsys
import html
import inspect
import re
import textwrap
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from genmodels import palette
from genmodels.data import datasets
from genmodels.models import model_class
from genmodels.models.base import build
from genmodels.training.loop import Training
from pages._ui.page import symbols
from pages._ui.page import theory as panel
from pages._ui.page.theory import NAME, Picture, measured, source
from pages._ui.views.autoregressive import theory as autoregressive
from pages._ui.views.diffusion import bound
from pages._ui.views.diffusion import theory as ddpm
from pages._ui.views.experiments import meters
from pages._ui.views.flow import theory as flow
from pages._ui.views.gan import game
from pages._ui.views.gan import theory as gan
from pages._ui.views.latent import autoencoder, ladder
from pages._ui.views.latent import theory as latent
from pages._ui.views.vae import theory as vae
from pages._ui.views.vq import theory as vq
from tests.test_figures import contrast

SMALL = {"hidden": 16, "latent_dim": 3}
DECODERS = ("bernoulli", "continuous-bernoulli", "gaussian")
PRIORS = ("normal", "mixture", "vamp", "flow", "diffusion")
MODELS: tuple[tuple[ModuleType, str, str, dict[str, Any]], ...] = (
    *((vae, "vae", "digits", SMALL | {"depth": 1, "decoder": name}) for name in DECODERS),
    *((vae, "vae", "two-moons", {"depth": 1, "hidden": 16, "prior": name}) for name in PRIORS),
    (vae, "vae", "two-moons", {"depth": 1, "hidden": 16, "objective": "iwae", "samples": 3}),
    (vae, "vae", "two-moons", {"depth": 1, "hidden": 16, "free_bits": 0.5}),
    (gan, "gan", "eight-gaussians", SMALL),
    (gan, "gan", "eight-gaussians", SMALL | {"objective": "least-squares"}),
    (gan, "gan", "eight-gaussians", SMALL | {"objective": "relativistic", "r1": 0.5, "r2": 0.5}),
    (gan, "gan", "eight-gaussians", SMALL | {"classes": 8}),
    (gan, "bigan", "two-moons", SMALL),
    (gan, "bigan", "two-moons", SMALL | {"r1": 0.5, "r2": 0.25}),
    (gan, "bigan", "two-moons", SMALL | {"stochastic": True}),
    *((gan, "wgan", "ring", SMALL | {"penalty": name}) for name in gan.KEPT),
    (gan, "wgan", "eight-gaussians", SMALL | {"classes": 8}),
    (ddpm, "ddpm", "two-moons", {"T": 20, "hidden": 16, "depth": 1}),
    (ddpm, "ddpm", "digits", {"T": 20, "width": 8, "depth": 1, "levels": 0, "variance": "learned"}),
    *((ddpm, "ddpm", "two-moons", {"T": 20, "hidden": 16, "weighting": name}) for name in ("noise", "snr", "bound")),
    (
        ddpm,
        "ddpm",
        "digits",
        {"T": 20, "width": 8, "depth": 1, "levels": 0, "schedule": "learned", "weighting": "bound"},
    ),
    (flow, "flow", "two-moons", {"hidden": 16, "couplings": 2, "coupling": "spline", "actnorm": True}),
    (flow, "flow", "two-moons", {"hidden": 16, "couplings": 2, "mixing": "lu"}),
    *(
        (flow, "flow", "digits", {"hidden": 8, "couplings": 2, "dequantization": noise, **other})
        for noise, other in (
            ("uniform", {"network": "conv", "mixing": "lu"}),
            ("variational", {"pixels": "linear"}),
            ("gaussian", {"pixels": "linear"}),
        )
    ),
    (autoencoder, "autoencoder", "digits", {"hidden": 16}),
    (vq, "vqvae", "digits", {"hidden": 8, "prior_channels": 4}),
    (vq, "vqvae", "two-moons", {"hidden": 8, "codebook": "straight-through"}),
    (ladder, "ladder", "digits", {"hidden": 16, "merge": "precision"}),
    (ladder, "ladder", "two-moons", {"hidden": 16, "layers": 5, "merge": "network"}),
    (latent, "mixture", "two-moons", {"covariance": "full", "prior_weight": 0.1}),
    (latent, "ppca", "digits", {"latent_dim": 3}),
    (latent, "ppca", "digits", {"latent_dim": 3, "noise": "diagonal"}),
    (autoregressive, "autoregressive", "two-moons", {"hidden": 16, "depth": 1, "order": "random", "orders": 2}),
    (autoregressive, "autoregressive", "digits-dynamic", {"network": "nade", "hidden": 16}),
    *(
        (
            autoregressive,
            "autoregressive",
            "digits",
            {"network": "pixelcnn", "channels": 4, "depth": 1, "pixels": pixels, "levels": 17},
        )
        for pixels in ("categorical", "logistics")
    ),
)


def declared(module: ModuleType) -> Iterator[tuple[Callable[..., Any], str]]:
    """Every equation that a family declares, also those by the name of what they are for."""
    tables = [value for value in vars(module).values() if isinstance(value, dict)]
    tables += [inner for table in tables for inner in table.values() if isinstance(inner, dict)]
    tables += [dict([pair]) for table in tables for pair in table.values() if isinstance(pair, tuple)]
    for table in tables:
        yield from ((of, text) for of, text in table.items() if isinstance(text, str) and "$$" in text)


inks: dict[ModuleType, symbols.Symbols] = {}
"""What has a colour in each family's theory, once it has been shown."""
FAMILIES = (vae, gan, ddpm, autoregressive, flow, latent, autoencoder, ladder, vq)
EQUATIONS = [pair for module in FAMILIES for pair in declared(module)]
DECLARED = [*EQUATIONS, *meters.DISTANCES.items()]


@pytest.fixture(scope="module")
def shown() -> list[tuple[ModuleType, str, list[tuple[Callable[..., Any], str]], Mapping[str, Any]]]:
    """What each family shows of each of MODELS: its equations, and the numbers by name."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for module, name, data_name, arguments in MODELS:
            data = datasets.load(data_name)
            moment = SimpleNamespace(
                model=build({"model": name, "shape": list(data.shape), **arguments}).eval(), data=data
            )

            def seen(function: Callable[..., Any], moment: Any, **arguments: Any) -> Any:
                wants = "data" in inspect.signature(function).parameters
                return function(moment.model, *([moment.data] if wants else []), **arguments)

            def show(
                theory: Any, numbers: Mapping[str, Any], known: Any = symbols.SYMBOLS, row: Any = (module, name)
            ) -> None:
                inks.setdefault(row[0], known)
                equations = [pair for part in theory if not isinstance(part, Picture) for pair in part.items()]
                found.append((*row, equations, numbers))

            patch.setattr(module, "seen", seen)
            patch.setattr(module, "show", show)
            if hasattr(module, "example_of"):
                patch.setattr(module, "example_of", lambda moment, **_: 0)
            if hasattr(module, "url_widgets"):
                pick = lambda label, low, high, value, **_: value  # noqa: E731
                patch.setattr(module, "url_widgets", SimpleNamespace(number=pick, slider=pick))
            getattr(module, name if hasattr(module, name) else "theory")(moment)
    assert len(found) == len(MODELS)
    return found


@pytest.fixture
def told(shown: Any) -> Callable[..., tuple[dict[str, str], Mapping[str, Any]]]:
    """The equations, by the name of their function, and the numbers of the first of MODELS with these arguments."""

    def of(module: ModuleType, **arguments: Any) -> tuple[dict[str, str], Mapping[str, Any]]:
        for (home, _, _, given), (_, _, equations, numbers) in zip(MODELS, shown, strict=True):
            if home is module and arguments.items() <= given.items():
                return {one.__qualname__: " ".join(text.split()) for one, text in equations}, numbers
        raise LookupError(arguments)

    return of


def test_several_masks_are_trained_one_at_a_time(told: Any) -> None:
    """What is trained is the mean over them, and a product is of one of them; p(x) is their mixture."""
    texts, known = told(autoregressive, orders=2)
    value = {name: float(known[name].split()[0]) for name in ("loss", "nll", "log p", "log p of mask 0")}
    assert value["loss"] > value["nll"] == -value["log p"]
    assert r"\log p_m(<x>) = <loss>" in texts["Autoregressive.loss"]
    assert r"\log p_1(<x>) = <log p of mask 0>" in texts["Autoregressive.each"]
    assert "<log p>" not in texts["Autoregressive.each"]
    texts, known = told(autoregressive, network="nade")
    assert known["i"] == 33  # of 64, in the middle of the raster: x_1 is the first
    assert r"L = -\log p(x)" in texts["Autoregressive.loss"]
    assert known["loss"] == known["nll"]


def test_what_trains_a_diffusion_is_said_by_its_weighting_and_schedule(told: Any) -> None:
    kinds = {"noise": r"= \|\epsilon", "snr": r"\min(\mathrm{SNR}", "bound": r"\frac{T \beta_t^2}"}
    for weighting, of_error in kinds.items():
        texts, known = told(ddpm, weighting=weighting)
        assert of_error in texts["DDPM.loss"].replace("&", "")
        assert "left out" not in texts["DDPM.loss"]
        assert r"w_t\, \| \epsilon" in known["loss"]
    texts, known = told(ddpm, T=20)
    assert "The weight is left out" in texts["DDPM.loss"]
    assert "w_t" not in known["loss"]
    texts, _ = told(ddpm, schedule="learned")
    assert "DDPM.loss" not in texts
    assert r"\gamma'(u)" in texts["Learned.bound"]


def test_an_encoder_that_draws_has_no_single_code(told: Any) -> None:
    assert r"\delta(z - E(x))" not in told(gan, stochastic=True)[0]["BiGAN.reconstruct"]
    assert r"p(x)\, q(z \mid x)" in told(gan, stochastic=True)[0]["BiGAN.reconstruct"]
    assert r"\delta(z - E(x))" in told(gan, r2=0.25)[0]["BiGAN.reconstruct"]


def test_what_is_declared_is_drawn() -> None:
    test = AppTest.from_string(
        r'''
from genmodels.probability.distributions import kl_to_standard_normal
from pages._ui.page.theory import show
show([{kl_to_standard_normal: r"""Title
    $$ a &= b \\ &= c $$
    $$ KL = <kl> \\ J \ge <missing> $$
    Words of <n>, where a < b. Somebody (2020), eq. 3."""}], {"kl": 0.5, "n": "many"})
''',
        default_timeout=60,
    ).run()
    assert not test.exception
    assert [one.value for one in test.markdown] == ["##### Title"]
    assert [one.value.strip("$\n") for one in test.latex] == [
        r"\begin{aligned} a &= b \\ &= c \end{aligned}",
        r"\begin{aligned} KL &= 0.5 \end{aligned}",
    ]
    assert test.caption[0].value == "Words of many, where a < b. Somebody (2020), eq. 3."
    [code] = test.get("html")
    assert "<b>def</b> kl_to_standard_normal(mu, logvar)" in code.proto.body


def test_a_symbol_has_one_colour_in_equation_and_code() -> None:
    test = AppTest.from_string(
        r"""
from genmodels.models.vae import VAE
from pages._ui.page.theory import show
show([{VAE.log_joint: r"Title $$ \log p(x \mid z) $$ $$ \log p(z) = <z> $$ Words."}], {"z": 0.5})
""",
        default_timeout=60,
    ).run()
    assert not test.exception
    x, z = r"{\textcolor{blue}{x}}", r"{\textcolor{green}{z}}"
    assert [one.value.strip("$\n") for one in test.latex] == [
        rf"\log p({x} \mid {z})",
        rf"\begin{{aligned}} \log p({z}) &= 0.5 \end{{aligned}}",
    ]
    legend, code = (one.proto.body for one in test.get("html"))
    assert legend.split(" · ")[0] == '<p class="symbols"><i class="ink-blue">x</i> the data'
    assert "ink-purple" not in legend
    assert 'log_likelihood(<i class="ink-blue">x</i>, <i class="ink-green">z</i>)' in code


INKED = (symbols.SYMBOLS, symbols.CODES, symbols.DENSITIES, symbols.DEQUANTIZED, symbols.NOISED)


def test_a_letter_is_explained_as_its_family_means_it(shown: Any) -> None:
    """A diffusion's z is fresh noise and its q no posterior; nor is a flow's, or the index of a rounded vector."""
    said = {}
    for module in (ddpm, flow, vq, vae):
        letters = symbols.legend((text.split("$$")[1] for _, text in declared(module)), inks[module])
        said[module] = dict(re.findall(r">(\w)</i> ([^·]*\w)", letters))
    assert said[ddpm] == {"x": "the data", "q": "the law of the noised data"}
    assert said[flow]["q"] == "the noise on grey levels"
    assert said[vq].keys() == {"x", "z"}
    assert said[vae]["q"] == "what the codes of an example may be"


@pytest.mark.parametrize(("function", "text"), DECLARED, ids=lambda value: getattr(value, "__qualname__", ""))
def test_colours_leave_equation_and_code_as_they_are(function: Any, text: str) -> None:
    for known in INKED:
        inked = symbols.coloured(text, known)
        assert re.sub(r"\{\\textcolor\{\w+\}\{(\w)\}\}", r"\1", inked) == text
        assert NAME.findall(inked) == NAME.findall(text)
        if callable(function):
            code = source(function)[1]
            assert html.unescape(re.sub(r"</?[bi]\b[^>]*>", "", symbols.highlighted(code, known))) == code


def test_inks_are_the_palettes_and_can_be_read_in_light_and_dark() -> None:
    style = (panel.ROOT / "pages" / "_ui" / "style.css").read_text()
    declared = re.findall(r"--ink-(\w+): light-dark\((#\w+), (#\w+)\);", style)
    themes = tomllib.loads((panel.ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    for _, *inks in declared:
        for ink, theme in zip(inks, (themes["light"], themes["dark"]), strict=True):
            for background in ("backgroundColor", "secondaryBackgroundColor"):
                assert contrast(ink, theme[background]) >= 4.5
    meant = {"blue": palette.DATA, "orange": palette.SAMPLES, "green": palette.LATENT, "purple": palette.POSTERIOR}
    assert {name for name, *_ in declared} == meant.keys() | {"comment"}
    assert {one.ink for known in INKED for one in known.values()} <= meant.keys()
    hue = lambda colour: colorsys.rgb_to_hsv(*palette.rgb(colour))[0] * 360  # noqa: E731
    for name, *inks in declared:
        assert name == "comment" or all(abs(hue(ink) - hue(meant[name])) < 5 for ink in inks)


def test_no_curve_of_a_theory_has_the_colour_of_a_symbol() -> None:
    for figure in (gan._saturation(0.4), gan._dirac(), gan._flat(), vae._distance().figure):
        drawn = {line.line.color or line.marker.color for line in figure.data}
        assert len(drawn) > 1
        assert drawn.isdisjoint({palette.DATA, palette.SAMPLES, palette.LATENT, palette.POSTERIOR})


@pytest.mark.parametrize(("function", "text"), DECLARED, ids=lambda value: getattr(value, "__qualname__", ""))
def test_an_equation_has_a_title_a_formula_and_words(function: Any, text: str) -> None:
    title, latex, *numbers, words = (part.strip() for part in text.split("$$"))
    assert all((title, latex, words))
    assert len(numbers) in (0, 2)
    assert "".join(numbers[:1]) == ""
    assert latex.count("{") == latex.count("}")


def test_every_number_has_a_name_that_some_model_has(shown: Any) -> None:
    for module in FAMILIES:
        known = {name for home, _, _, numbers in shown if home is module for name in numbers}
        assert {name for _, text in declared(module) for name in NAME.findall(text)} <= known


def test_words_never_wait_for_a_number(shown: Any) -> None:
    for _, name, equations, numbers in shown:
        for _, text in equations:
            _, latex, *_, words = text.split("$$")
            assert set(NAME.findall(latex + words)) <= numbers.keys(), name


def test_every_equation_is_shown_of_some_model(shown: Any) -> None:
    drawn = {text for _, _, equations, _ in shown for _, text in equations}
    assert {text for _, text in EQUATIONS} == drawn


@pytest.mark.parametrize(
    "function",
    [f for f, _ in DECLARED if callable(f)],
    ids=lambda function: str(getattr(function, "__qualname__", "")),
)
def test_the_code_shown_is_what_runs_without_types_and_docstring(function: Callable[..., Any]) -> None:
    where, code = source(function)
    plain = inspect.unwrap(function)
    original = ast.parse(textwrap.dedent(inspect.getsource(plain))).body[0]
    assert isinstance(original, ast.FunctionDef)
    for one in ast.walk(original.args):
        if isinstance(one, ast.arg):
            one.annotation = None
    original.returns = None
    if ast.get_docstring(original):
        original.body = original.body[1:]
    assert ast.dump(ast.parse(code).body[0]) == ast.dump(original)
    path, line = where.rsplit(":", 1)
    assert f"def {original.name}(" in "".join(
        (panel.ROOT / path).read_text().splitlines()[int(line) - 1 : int(line) + 2]
    )
    body = inspect.getsource(plain).splitlines()
    assert {row.strip() for row in code.splitlines()[len(original.decorator_list) + 1 :]} <= {
        row.strip() for row in body
    }


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-93.21641, 0.0312, r"-93.216 \pm 0.031 \text{ nats}"),
        (1234.5, 12.34, r"1234 \pm 12 \text{ nats}"),
        (0.123456, 0.0, r"0.12346 \text{ nats}"),
    ],
)
def test_a_measurement_is_as_long_as_the_two_digits_of_its_error(value: float, error: float, text: str) -> None:
    assert measured(value, error) == text


def test_one_thread_at_a_time_reads_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    parse, inside, most = panel.ast.parse, [0], [0]

    def slowly(code: str) -> ast.Module:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        return parse(code)

    monkeypatch.setattr(panel.ast, "parse", slowly)
    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(source.__wrapped__, [Training.step] * 8))
    assert most == [1]
    assert len(set(said)) == 1


# What stands over the curves ------------------------------------------------------------------------------------------

OVER = {
    "autoregressive": autoregressive.raised,
    "ladder": ladder.raised,
    "vae": vae.raised,
    "vqvae": vq.loss,
    "ddpm": bound.loss,
    "gan": game.losses,
    "bigan": game.losses_of_pairs,
}
SAID: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    ("vae", {}, ["ELBO"], ["raised"]),
    ("vae", {"beta": 4.0}, [r"raised: reconstruction} - \beta\, \text{KL}"], ["max"]),
    ("vae", {"anneal": 0.1, "free_bits": 0.5}, [r"\beta\, \sum_j \max(\text{KL}_j, \lambda)"], []),
    ("vae", {"free_bits": 0.5, "prior": "vamp"}, [r"\max(\text{KL}, L \lambda)"], [r"\sum_j"]),
    ("vae", {"objective": "iwae"}, [r"\tfrac1K", r"\tfrac{p(z_k)}{q(z_k \mid x)}"], [r"\beta", "reconstruction} -"]),
    ("vae", {"objective": "iwae", "beta": 0.5}, [r"\big)^\beta"], []),
    ("autoregressive", {}, [r"\log p(x) = \sum_{i=1}^{D}"], ["p_m", "raised"]),
    ("autoregressive", {"orders": 2}, [r"raised: } \log p_m(x)", "by turns"], [r"\log p(x) = "]),
    ("autoregressive", {"orders": 2, "network": "nade"}, [r"\log p(x) = "], ["p_m"]),
    ("ladder", {}, ["ELBO", r"raised: reconstruction} - \beta\, \sum_l \max(\text{KL}_l, \lambda)"], []),
    ("ladder", {"anneal": 0.0}, [r"- \sum_l \max(\text{KL}_l, \lambda)"], [r"\beta"]),
    ("ladder", {"free_bits": 0.0}, [r"- \beta\, \sum_l \text{KL}_l"], ["max"]),
    ("ladder", {"anneal": 0.0, "free_bits": 0.0}, ["ELBO"], ["raised"]),
    ("vqvae", {}, ["moving average"], [r"\mathrm{sg}[z_e]"]),
    ("vqvae", {"codebook": "straight-through"}, [r"+ \| \mathrm{sg}[z_e] - e_k \|^2"], ["moving average"]),
    ("bigan", {}, [r"\min_{G, E}", r"E_z[\log D(G(z), z)]"], ["gamma"]),
    ("bigan", {"r1": 0.1, "r2": 0.2}, [r"+ \gamma_1 R_1 + \gamma_2 R_2"], []),
]


@pytest.mark.parametrize(("model", "arguments", "told", "not_told"), SAID)
def test_over_the_curves_stands_what_the_run_itself_is_trained_by(
    model: str, arguments: dict[str, Any], told: list[str], not_told: list[str]
) -> None:
    formula = OVER[model](arguments)
    assert all(part in formula for part in told)
    assert not any(part in formula for part in not_told)


@pytest.mark.parametrize("model", OVER)
def test_every_preset_has_its_formula(model: str) -> None:
    for preset in model_class(model).presets:
        formula = OVER[model](preset.model)
        assert formula.startswith(r"\begin{gathered}")
        assert formula.count("{") == formula.count("}")
