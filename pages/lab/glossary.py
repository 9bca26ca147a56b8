"""Glossary: the words of the field as these pages use them, with the sources' notation."""

import streamlit as st

from genmodels.glossary import GLOSSARY
from genmodels.quantities import QUANTITIES

st.title("Glossary")
st.caption("The words of the field as these pages use them, in the notation of the sources.")
for term in GLOSSARY:
    name, meaning = st.columns([1, 3], gap="medium")
    name.markdown(f"**{term.name}**")
    meaning.write(term.meaning)
    if term.notation:
        meaning.latex(term.notation)
    if term.source:
        meaning.caption(term.source)
st.subheader("What a curve says", anchor=False)
for quantity in QUANTITIES.values():
    name, meaning = st.columns([1, 3], gap="medium")
    name.markdown(f"**{quantity.title}**" + (f"  \n:small[{quantity.unit}]" if quantity.unit else ""))
    meaning.write(quantity.explained)
