"""What a share measured on a few rows says about the share on all rows."""

import math


def wilson(hits, rows, z=1.959964):
    """(low, high): Wilson's 95 % interval of a proportion."""
    if rows == 0:
        return 0.0, 1.0
    share = hits / rows
    middle = share + z * z / (2 * rows)
    spread = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def percent(hits, rows):
    """As in: 90.2 % (88.2–91.9), 902 of 1000."""
    low, high = wilson(hits, rows)
    return f"{100 * hits / max(rows, 1):.1f} % ({100 * low:.1f}–{100 * high:.1f}), {hits} of {rows}"
