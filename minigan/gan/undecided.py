"""The losses of a GAN whose discriminator cannot tell real from generated, as far as they are known numbers."""

import math

LOG_2 = ("NonSaturating", "NaiveNonSaturating")  # the objectives whose loss of G is log 2 then
LOG_4 = (*LOG_2, "Minimax")  # and those whose loss of D is 2 log 2


def undecided_losses(objective):
    """Return {name: loss} for the lines in a plot of both losses, D's first; of other objectives there are none.

    objective  the name of its class
    """
    of_d = {"2 log 2: D cannot tell": 2 * math.log(2)} if objective in LOG_4 else {}
    of_g = {"log 2: G's loss then": math.log(2)} if objective in LOG_2 else {}
    return of_d | of_g
