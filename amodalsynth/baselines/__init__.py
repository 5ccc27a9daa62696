"""The benchmark models, PLIn first: the only part of the library that needs torch (`pip install amodalsynth[train]`)."""

# method -> the line shown by --help; amodalsynth.baselines.config says how they differ
METHODS = {
    "plin": "the paper's model: layer priors, a cascade of box heads, an implicit point head",
    "implicit-pointrend": "the paper's baseline (Table 3): the same without layer priors and cascade",
}
