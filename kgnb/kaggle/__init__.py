"""Notebooks pushed to Kaggle, each carrying its own wheel. Imports worker and below."""
