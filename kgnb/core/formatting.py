"""Numbers, amounts and names in the short form in which people read them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from kgnb.core.messages import say
from kgnb.core.safe_text import one_line


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: 59 s, 2 min 5 s, 3 h 0 min, in the user's language;
    less than 0 counts as 0.
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return say("status.seconds", s=whole)
    if whole < 3600:
        return say("status.minutes", m=whole // 60, s=whole % 60)
    return say("status.hours", h=whole // 3600, m=whole % 3600 // 60)


def compact(number: int) -> str:
    """Return a number in at most four digits: 950 → "950", 12300 → "12.3k", 450000000 → "450M"."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.{1 if number < 100 * size else 0}f}{unit}"
    return str(number)


def rate(value: float) -> str:
    """Return a rate: with a decimal below 10 ("0.0", "9.5"), rounded above ("120"), in thousands from
    1,000 on ("5.1k")."""
    return f"{value:.1f}" if value < 10 else compact(round(value))


def money(amount: float) -> str:
    """Return an amount with two decimals, with four below 0.01: "1.50", "0.0042", "0.00". No currency."""
    return f"{amount:.2f}" if amount >= 0.01 or not amount else f"{amount:.4f}"


def clock(iso: object) -> str:
    """Return an ISO 8601 time as local month, day and time of day, "12-01 21:05:09"; "-" for
    anything else.
    """
    try:
        moment = datetime.fromisoformat(str(iso))
    except ValueError:
        return "-"
    return f"{moment.astimezone():%m-%d %H:%M:%S}"


def zone(moment: datetime | None = None) -> str:
    """Return this machine's time zone (``TZ`` sets another) by its distance from UTC: "UTC", "UTC+8",
    "UTC-3:30". ``moment``: when; None for now.
    """
    offset = (moment or datetime.now()).astimezone().utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}{f':{rest:02}' if rest else ''}" if minutes else "UTC"


def time_of_day(seconds: float) -> str:
    """Return epoch seconds as local time with its zone, "21:05 UTC+8"; on another day than today with month
    and day, "12-01 21:05 UTC+8".
    """
    moment = datetime.fromtimestamp(seconds)
    date = "" if moment.date() == datetime.now().date() else f"{moment:%m-%d} "
    return f"{date}{moment:%H:%M} {zone(moment)}"


def date_and_time(seconds: float) -> str:
    """Return epoch seconds as local date and time to the second: "2026-12-01 21:05:09 UTC+8"."""
    moment = datetime.fromtimestamp(seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S} {zone(moment)}"


def number_ranges(numbers: Iterable[int]) -> list[str]:
    """Return the numbers in ascending order, each once, consecutive ones as a range: [3, 1, 2, 5] → ["1–3",
    "5"].
    """
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ["–".join(map(str, ends)) for ends in ranges]


def cut(text: object, columns: int) -> str:
    """Return ``text`` on one line of at most ``columns`` terminal columns.

    A cut text ends in "..", because terminals disagree about the width of "…".
    """
    from rich.cells import cell_len, set_cell_size

    line = one_line(text)
    return line if cell_len(line) <= columns else set_cell_size(line, columns - 2).rstrip() + ".."
