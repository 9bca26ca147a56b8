# The app as a Docker Space of the Hugging Face Hub, or on any host with Docker; docs/deploy.md says how.
#   docker build --build-arg TORCH_INDEX=<PyTorch's own index for CPUs> -t genmodels .     for CPUs
#   docker build -t genmodels-gpu .                                                        with CUDA, 5 GB more
#   docker run -p 8501:8501 -v runs:/home/user/runs genmodels
# Python 3.11.15, for amd64 and arm64, by its digest; `make pin` takes that of the day, --build-arg BASE=… builds on another.
ARG BASE=python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba
FROM $BASE

# The index for CPUs that pytorch.org/get-started names; empty for GPU hardware. A Space's variable of this name sets it.
ARG TORCH_INDEX=""

# /app and /opt/venv belong to root: the app, which runs as user 1000, cannot change its own code.
ENV APP=/app \
    VENV=/opt/venv \
    HOME=/home/user \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1

RUN useradd --create-home --uid 1000 user && install --directory --owner=user "$HOME/runs"
WORKDIR $APP

COPY requirements.lock requirements-torch.lock docker/install.sh $APP/docker/
RUN python -m venv "$VENV" && sh "$APP/docker/install.sh" "$VENV/bin/python" "$APP/docker"

COPY . $APP/
RUN "$VENV/bin/python" -m compileall -q "$APP/app.py" "$APP/genmodels" "$APP/pages"

USER user

# What is written lies in the home of the user; many visitors share the host.
# In the iframe of a Space no cookie of Streamlit's own arrives, without which uploads fail under XSRF protection.
ENV PATH=$VENV/bin:$PATH \
    GENMODELS_SHARED=1 \
    GENMODELS_RUNS=$HOME/runs \
    GENMODELS_DATA=$HOME/data \
    HF_HOME=$HOME/huggingface \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501 \
    STREAMLIT_SERVER_HEADLESS=true \
    STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION=false \
    STREAMLIT_CLIENT_SHOW_ERROR_DETAILS=type

EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/healthz')"]
CMD ["python", "-m", "streamlit", "run", "app.py"]
