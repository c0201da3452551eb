#!/bin/sh
# `cargo xtask ci` sets this program as RUSTC_WRAPPER for the fuzz targets: the flag is for the packages of this
# repository only.
case $CARGO_PKG_NAME in
    anchovy*) exec "$@" --cfg fuzzing ;;
    *) exec "$@" ;;
esac
