"""The old name of `minigan.metrics`; it works for one release, with a warning."""

import sys
import warnings

from minigan import metrics

warnings.warn("minigan.gan.metrics is now minigan.metrics.", DeprecationWarning, stacklevel=2)
sys.modules[__name__] = metrics
