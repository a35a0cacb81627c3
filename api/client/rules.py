"""Rules: what the operator sets for the whole ledger."""

from api.client.door import Door
from api.client.write import Write
from ledger.domain import commands as c


class Rules:
    """Limits, regions, stars, accrual, and the erasing of texts."""

    def __init__(self, door: Door) -> None:
        self.set_limits = Write(door, c.SetLimits)
        self.profile_region = Write(door, c.ProfileRegion)
        self.set_star_levels = Write(door, c.SetStarLevels)
        self.set_accrual = Write(door, c.SetAccrualRule)
        self.erase_text = Write(door, c.EraseText)
