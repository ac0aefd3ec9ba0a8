"""Model families behind one small interface; see :mod:`ml.forecasters.base`."""
