"""The affine flow: the one page that a new model needs."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page

st.title(MODELS["affine"].title)
st.latex(r"x = b + L z, \qquad z \sim N(0, I)")
page("affine", units={"loss": "nats"})
