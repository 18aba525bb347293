"""Scores of separated stems against the true ones; :mod:`hfbs_separate.evaluation` hands the public names on."""
