"""Releases, a package at a time: `nox -s release -- hfbs-attention minor`, described in docs/releasing.md.

The way through it: `refusals` makes a plan, or says why not, for which `api` compares the public names with those of
the last tag. `steps` carries it out: it edits the member (`pyproject`, `changelog`) and the bounds of its siblings
(`bounds`), locks, builds and checks what was built (`built`), commits and tags. `tagged` builds the member of a tag for
publishing.
"""
