#!/bin/sh
# Install the plotting library at the pinned versions and bundle it into the package. Needs Node 20 or newer.
#
#     sh scripts/plots/build.sh
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund
# esbuild's own program comes as a package of the platform; no install script has to run.
node build.mjs
