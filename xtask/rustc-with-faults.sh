#!/bin/sh
# `cargo xtask faults` sets this program as RUSTC_WORKSPACE_WRAPPER: cargo calls it for the packages of the
# workspace only, and keeps what it builds apart from what rustc builds.
exec "$@" --cfg anchovy_faults
