#!/bin/sh
# install.sh PYTHON FOLDER: what the locks in FOLDER say, into the environment of PYTHON. Shared by Makefile, Dockerfile, CI.
# TORCH_INDEX: PyTorch's own index for CPUs (pytorch.org/get-started names it), a tenth of the download. It is taken
# where no driver of NVIDIA's is found and it answers; else come the usual packages, with CUDA.
# Every file's hash is checked but those of PyTorch from TORCH_INDEX: other files than the lock's, of the same version.
set -eu
python=$1
rest=$2/requirements.lock
torch=$2/requirements-torch.lock

say() { echo "$*" >&2; }
pip() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }
has_driver() { [ -e /proc/driver/nvidia/version ] || [ -e /dev/nvidiactl ] || command -v nvidia-smi >/dev/null 2>&1; }
answers() {
  "$python" -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1].rstrip("/") + "/torch/", timeout=10)' "$1" 2>/dev/null
}

locks="-r $rest -r $torch"
wanted=$(grep -Eo '^torch(vision)?==[^ ]+' "$torch")
# shellcheck disable=SC2086  # two words
if "$python" -c 'import sys, importlib.metadata as m
for name, _, version in (one.partition("==") for one in sys.argv[1:]): assert m.version(name).split("+")[0] == version
' $wanted 2>/dev/null; then
  locks="-r $rest" # PyTorch is there already
elif has_driver; then
  say "A driver of NVIDIA's is here: PyTorch with CUDA."
elif [ -z "${TORCH_INDEX:-}" ]; then
  say "No driver of NVIDIA's is here: PyTorch for CPUs is a tenth of the download. To take it, set TORCH_INDEX to the"
  say "index for CPUs that pytorch.org/get-started names (make app TORCH_INDEX=…)."
elif answers "$TORCH_INDEX"; then
  say "No driver of NVIDIA's is here: PyTorch for CPUs, from $TORCH_INDEX"
  # shellcheck disable=SC2086
  pip --no-deps --index-url "$TORCH_INDEX" $wanted # what it requires is in requirements.lock
  locks="-r $rest"
else
  say "$TORCH_INDEX does not answer: the usual packages of PyTorch, with CUDA."
fi
# shellcheck disable=SC2086
pip --require-hashes $locks
