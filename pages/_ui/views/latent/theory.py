"""What is exact about a mixture, PPCA and factor analysis: density, posterior, EM, MAP, with an example's numbers."""

from genmodels.instruments.latent.steps import numbers
from genmodels.models.latent.em import EM, MStep
from genmodels.models.latent.linear_gaussian import LinearGaussian, principal
from genmodels.models.latent.mixture import GaussianMixture
from pages._ui.page.theory import Equations, measured, show
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.views.common.shapes import example_of

__all__ = ["theory"]

MIXTURE: Equations = {
    GaussianMixture.log_joint: r"""Which Gaussian, and where
        $$ \log p(x, z = k) = \log \pi_k + \log N(x; \mu_k, \Sigma_k), \qquad \Sigma_k^{-1} = A_k A_k^T $$
        $$ \log \pi_{<which>} = <log pi> $$
        z is one of K; all that is not known of an example is which. Bishop (2006), eq. 9.10.""",
    GaussianMixture.log_prob: r"""The density is a sum
        $$ \log p(x) = \log \sum_k \pi_k\, N(x; \mu_k, \Sigma_k) $$
        $$ \log p(x) = <log p(x)> $$
        z is summed out, exactly. Bishop (2006), eq. 9.7.""",
    GaussianMixture.posterior: r"""So is the posterior
        $$ r_k = p(z = k \mid x) = \frac{p(x, z = k)}{\sum_j p(x, z = j)} $$
        $$ r_{<which>} = <best> $$
        How responsible each component is for x: what a VAE's encoder has to guess. Bishop (2006), eq. 9.13.""",
    GaussianMixture.expect: r"""The E step
        $$ E[r_k], \qquad E[r_k x], \qquad E[r_k x x^T] $$
        Means over the examples; nothing else of them is needed.""",
    GaussianMixture.maximize: r"""The M step
        $$ \pi_k = E[r_k], \qquad \mu_k = \frac{E[r_k x]}{E[r_k]}, \qquad
        \Sigma_k = \frac{E[r_k x x^T]}{E[r_k]} - \mu_k \mu_k^T $$
        Each component is fitted to the examples that it is responsible for. Bishop (2006), eqs. 9.24 to 9.26.""",
}

LINEAR: Equations = {
    LinearGaussian.log_prob: r"""A Gaussian seen through a matrix is a Gaussian
        $$ z &\sim N(0, I), \qquad x = W z + \mu + \epsilon, \qquad \epsilon \sim N(0, \Psi) \\
        \log p(x) &= \log N(x; \mu, W W^T + \Psi) $$
        $$ \log p(x) = <log p(x)> \\ \text{of the variance explained by } W = <explained> \\ \sqrt{\Psi} = <sigma> $$
        z is integrated out, exactly. Tipping & Bishop (1999), section 3.1.""",
    LinearGaussian.posterior: r"""So is the posterior
        $$ z \mid x \sim N(M^{-1} W^T \Psi^{-1} (x - \mu),\; M^{-1}), \qquad M = I + W^T \Psi^{-1} W $$
        Its mean is linear in x, its covariance the same for all: what a linear VAE's encoder can be, exactly. Tipping &
        Bishop (1999), eq. 6.""",
    LinearGaussian.expect: r"""The E step
        $$ h = (z, 1), \qquad E[h h^T], \qquad E[x h^T], \qquad E[x^2] $$
        Means over the examples and their posteriors; nothing else of them is needed.""",
    LinearGaussian.maximize: r"""The M step
        $$ (W, \mu) = E[x h^T]\, E[h h^T]^{-1}, \qquad \psi_i = E[x_i^2] - (W, \mu)_i\, E[h x_i] $$
        A linear regression of x on codes that are known but for their posterior; PPCA takes the mean of all ψ. Rubin &
        Thayer (1982).""",
    principal: r"""PPCA needs no steps
        $$ \sigma^2 = \frac{1}{D - L} \sum_{j > L} \lambda_j, \qquad W = U_L (\Lambda_L - \sigma^2 I)^{1/2} R $$
        From the eigenvalues λ and eigenvectors U of the data's covariance, for any rotation R (here none). Every other
        stationary point is a saddle: EM and gradients end here, without a prior on the parameters. Tipping & Bishop
        (1999), eqs. 7 and 8.""",
}

BOTH: Equations = {
    MStep.step: r"""EM climbs a bound
        $$ F(q, \theta) = E_q[\log p(x, z; \theta)] + H(q) = \log p(x) - KL(q \,\|\, p(z \mid x)) $$
        $$ E_q[\log p(x, z)] = <expected> \\ H(q) = <entropy> \\ F = <bound> $$
        With q the posterior the KL is 0: the bound touches log p(x). The M step raises F, and log p(x) is never below
        it. The ELBO of a VAE is this F, with a network in place of the E step. Neal & Hinton (1998).""",
    EM.step: r"""A batch is not the data
        $$ s \leftarrow (1 - \gamma)\, s(\theta) + \gamma\, \bar s_{\text{batch}} $$
        The statistics go only a part γ, the learning rate, of the way from the model's own to the batch's; γ = 1 on
        all of the data is EM itself. Cappé & Moulines (2009), section 2.""",
    EM.log_prior: r"""A prior on the parameters
        $$ \log p(\theta) = \kappa \, E_{\text{imagined}}[\log p(x, z; \theta)] + \text{const} $$
        $$ \kappa = <kappa> \\ \log p(\theta) = <log prior> $$
        A conjugate prior is as good as κ imagined examples for each real one: with it EM finds the MAP, and at κ = 0
        the maximum of the likelihood. Bishop (2006), section 2.4.2.""",
    EM.loss: r"""All of it, as it is trained
        $$ \mathcal L = -\log p(x) - \log p(\theta) $$
        $$ \mathcal L = <loss> $$
        The expectation of −log p(x) is KL(data ‖ model) plus the entropy of the data (of points of the plane see
        *Explore → Maximum likelihood*). By gradient this is all there is; by EM it is what the steps make small.""",
}


def theory(moment: Moment) -> None:
    """From log p(x, z) to what is computed."""
    terms = seen(numbers, moment, index=example_of(moment, key="theory_example", label="of test example"))
    known = {name: measured(terms[name]) for name in ("log p(x)", "expected", "entropy")}
    known["bound"] = measured(terms["expected"] + terms["entropy"])
    known |= {"kappa": f"{moment.model.prior_weight:g}", "log prior": measured(terms["log p(θ)"])}
    known["loss"] = measured(-terms["log p(x)"] - terms["log p(θ)"])
    own = MIXTURE
    if isinstance(moment.model, LinearGaussian):
        known |= {"explained": measured(terms["explained"], unit=""), "sigma": measured(terms["sigma"], unit="")}
        own = {key: text for key, text in LINEAR.items() if key is not principal or moment.model.noise == "isotropic"}
    else:
        known |= {"which": str(int(terms["which"])), "best": measured(terms["best"], unit="")}
        known["log pi"] = measured(terms["log π"])
    show((own, BOTH), known)
