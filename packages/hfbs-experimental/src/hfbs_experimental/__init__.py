"""Research variants of band-split rotary transformers, given to :class:`hfbs_model.BandSplitRotator` by injection."""
