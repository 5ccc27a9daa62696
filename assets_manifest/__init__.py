"""Where the photos that scenes are made of come from: one TOML file an asset, read by `amodalsynth.assets.manifest`."""
