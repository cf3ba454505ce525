"""The past played fast: the form of its result, the vectorised engine, sweeps over settings."""
