"""Words that all families share: of information and of measures, and of training."""

from genmodels.glossary.term import Term

__all__ = ["COMMON"]

COMMON = (
    Term(
        "Activation",
        "The bend between two layers of a network, without which both were one.",
        "",
        "",
        ("activation",),
    ),
    Term(
        "Adam",
        "The optimizer: each weight takes steps of about the learning rate, in the direction of its averaged gradient. "
        "β₁ says over how many steps the gradient is averaged.",
        r"\beta_1",
        "Kingma & Ba (2015), https://arxiv.org/abs/1412.6980",
        ("beta1", "beta2"),
    ),
    Term(
        "Batch",
        "The examples whose mean gradient makes one step.",
        "",
        "",
        ("batch_size",),
    ),
    Term(
        "Bernoulli",
        "The law of one coin: black or white, with a chance for white.",
        r"p^x (1 - p)^{1 - x}",
        "",
        ("decoder=bernoulli", "pixels=bernoulli"),
    ),
    Term(
        "bfloat16",
        "Numbers of 16 bits with the range of 32: half the memory, two to three decimal digits.",
        "",
        "",
        ("precision",),
    ),
    Term(
        "Bits per dimension",
        "What a number of an example costs to code under the model: the yardstick of likelihoods of images.",
        r"-\log_2 p(x) / D",
        "Theis, van den Oord & Bethge (2016), https://arxiv.org/abs/1511.01844",
    ),
    Term(
        "Categorical",
        "The law of one of several values without an order: a chance for each.",
        r"p(x = k) = \pi_k",
        "",
        ("pixels=categorical",),
    ),
    Term(
        "Convolution",
        "A layer that looks at each place of an image with the same small window.",
        "",
        "LeCun et al. (1998), https://doi.org/10.1109/5.726791",
        ("network=conv",),
    ),
    Term(
        "Entropy",
        "How uncertain a law is: what its draws cost to code at least.",
        r"H(p) = -E_p[\log p]",
    ),
    Term("Epoch", "One pass over the training set.", "", "", ("epochs",)),
    Term(
        "FID",
        "Fréchet distance between features of samples and of data; 0 where both have the same mean and covariance. "
        "Here the features are those of our own classifier, so that no value can be compared with a paper's.",
        r"\|\mu_p - \mu_q\|^2 + \mathrm{tr}(\Sigma_p + \Sigma_q - 2 (\Sigma_p \Sigma_q)^{1/2})",
        "Heusel et al. (2017), https://arxiv.org/abs/1706.08500",
    ),
    Term(
        "Gaussian",
        "The bell curve, given by its mean and its variance.",
        r"N(\mu, \sigma^2)",
        "",
        ("decoder=gaussian",),
    ),
    Term(
        "Gradient clipping",
        "A gradient that is longer than a limit is shortened to it, so that one bad batch does not spoil the weights.",
        "",
        "",
        ("clip_norm",),
    ),
    Term(
        "Inception score",
        "High where the judge is sure of each sample and sees all classes among them. Our judge is a small classifier "
        "of our own.",
        r"\exp E\, KL(p(y \mid x) \,\|\, p(y))",
        "Salimans et al. (2016), https://arxiv.org/abs/1606.03498",
    ),
    Term(
        "KID",
        "Kernel distance between the d features of data x and of samples y. Its estimate has no bias: unlike FID it is "
        "0 on average for two sets of data, however small.",
        r"E[k(x, x')] + E[k(y, y')] - 2\, E[k(x, y)], \quad k(a, b) = (a^\top b / d + 1)^3",
        "Bińkowski et al. (2018), https://arxiv.org/abs/1801.01401",
    ),
    Term(
        "KL divergence",
        "How many nats it costs to believe q where p holds; 0 only where they are the same.",
        r"KL(p \,\|\, q) = E_p[\log p - \log q]",
        "",
        ("kl_samples", "estimator"),
    ),
    Term(
        "Learning rate",
        "How long the steps of training are. It may rise from 0 at the beginning (warm-up) and fall to 0 like a "
        "cosine at the end.",
        "",
        "Loshchilov & Hutter (2017), https://arxiv.org/abs/1608.03983",
        ("lr", "warmup", "decay"),
    ),
    Term(
        "Likelihood",
        "How probable the data are under the model. Making it large is making KL(data ‖ model) small.",
        r"\log p_\theta(x)",
    ),
    Term(
        "MLP",
        "A multilayer perceptron: layers in which each unit looks at all units of the layer before.",
        "",
        "",
        ("network=mlp",),
    ),
    Term("Nat", "A unit of information: log 2 nats are one bit.", r"1 \text{ bit} = 0.693 \text{ nats}"),
    Term(
        "Precision and recall",
        "The share of samples that lie where data are, and the share of data that lie where samples are: in a ball "
        "around one of them that reaches to its k-th nearest neighbour among its own, r away; here k = 3.",
        r"\begin{gathered} \text{precision} = P_y(\exists i\colon \|y - x_i\| \le r(x_i)) \\ "
        r"\text{recall} = P_x(\exists j\colon \|x - y_j\| \le r(y_j)) \end{gathered}",
        "Kynkäänniemi et al. (2019), https://arxiv.org/abs/1904.06991",
    ),
    Term(
        "Residual block",
        "Layers whose answer is added to what they were shown: a deep network of them still learns.",
        r"y = x + f(x)",
        "He et al. (2016), https://arxiv.org/abs/1512.03385",
        ("network=residual", "blocks"),
    ),
    Term(
        "Weight averaging",
        "What is shown and sampled is a moving average of the weights over the last steps: calmer, and mostly better.",
        r"\theta_{\text{EMA}}",
        "",
        ("ema",),
    ),
)
