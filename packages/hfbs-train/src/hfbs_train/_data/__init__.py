"""Songs with their stems, looked through and cut into excerpts; :mod:`hfbs_train.data` hands the public names on."""
