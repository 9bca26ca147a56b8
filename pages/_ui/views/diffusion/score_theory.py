"""What a network may be asked for beside the noise, and walks by a score: equations beside the code that runs."""

from genmodels.probability.diffusion import scores
from genmodels.probability.diffusion.guesses import Guesses
from genmodels.probability.schedules import Schedule
from pages._ui.page.theory import Equations

__all__ = ["SCORE"]

SCORE: Equations = {
    Schedule.target: r"""Noise, data, v, score or the mean of the step
        $$ \nabla_{x_t} \log q(x_t \mid x_0) &= -\epsilon / \sqrt{1 - \bar\alpha_t} \\
        E\|s - \nabla \log q(x_t \mid x_0)\|^2 &= E\|s - \nabla \log q(x_t)\|^2 + C $$
        $$ \bar\alpha_t = <alpha_bar> \\ \|\epsilon - \epsilon_\theta\|^2 / D = <mse> $$
        Denoising score matching: whoever guesses the score of the noise that was added learns that of all noised data,
        for C is no network's business. Vincent (2011), https://doi.org/10.1162/NECO_a_00142.""",
    scores.score_of: r"""A diffusion knows the score at every level of noise
        $$ \nabla_u \log q_\varsigma(u) = -\hat\epsilon(\sqrt{\bar\alpha_t}\, u, t) / \varsigma, \qquad
        u = x_0 + \varsigma \epsilon, \quad \varsigma = \sqrt{(1 - \bar\alpha_t) / \bar\alpha_t} $$
        $$ \varsigma^2 = 1 / \mathrm{SNR} = 1 / <snr> $$
        Noise-conditional score networks and denoising diffusion are one model in two coordinates. Song & Ermon (2019),
        https://arxiv.org/abs/1907.05600.""",
    scores.langevin: r"""A score is enough to sample, in time
        $$ x \leftarrow x + \tfrac{\eta}{2} \nabla_x \log p(x) + \sqrt{\eta}\, z, \qquad z \sim N(0, I) $$
        For small η its law tends to p from anywhere. Between far modes that takes for ever: the score leads to the
        nearest, and √η z seldom carries over the ridge. Song & Ermon (2019), eq. 4.""",
    scores.annealed: r"""From much noise to little
        $$ \eta_i = \eta\, \sigma_i^2 / \sigma_L^2, \qquad \sigma_1 > \sigma_2 > \dots > \sigma_L $$
        Where noise is wider than the modes are apart they are one, and mix; as it falls each particle is left in one
        of them, with about the share that the mode has. There, algorithm 1.""",
    Schedule.sigma2_at: r"""A variance of the step back that is learned
        $$ \Sigma &= \exp(\nu \log \beta_t + (1 - \nu) \log \tilde\beta_t) \\
        L_{\text{hybrid}} &= L_{\text{simple}} + 0.001\, L_{\text{vlb}} $$
        $$ \beta_t = <beta> \\ \tilde\beta_t = <beta_tilde> \\ \sigma_t^2 = <sigma2> $$
        β is right for data that are noise, β̃ for a single example; ν says where between. Only the bound can train it.
        Nichol & Dhariwal (2021), eqs. 15 and 16, https://arxiv.org/abs/2102.09672.""",
    Guesses.answer: r"""What the network is asked, and what it says
        $$ (\text{output},\; v) = f_\theta(x_t, t / T, y), \qquad \nu = (v + 1) / 2 $$
        One evaluation says both; where Σ is fixed there is no v.""",
}
