#!/bin/sh
# Renew the lock files: exact versions with hashes, for every platform, without an index's address.
set -eu
cd "$(dirname "$0")/.."
compile="uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade"
echo "uv==0.13.9" | $compile - -o requirements/bootstrap.txt
$compile pyproject.toml --group build -o requirements/serve.txt
$compile pyproject.toml --group build --group dev -c requirements/serve.txt -o requirements/dev.txt
# tf_keras asks for the package `tensorflow`, which beside `tensorflow-cpu` would install the same files
# again: it is locked apart and installed without its dependencies.
$compile requirements/import.in -o requirements/import.txt
$compile requirements/import-nodeps.in --no-deps -o requirements/import-nodeps.txt
