"""The node of a notebook and its panel. Imports app, kaggle and below."""
