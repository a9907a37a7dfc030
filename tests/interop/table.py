# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of what was seen, and its place in the README."""

from clients import AGAIN, FROM, ROUTES, SEVERAL, TO

BEGIN = "<!-- ./setup interop writes from here -->\n"
END = "<!-- to here -->\n"


class Notes:
    """The reasons below the table, numbered as they come."""

    def __init__(self):
        self._texts = []

    def number(self, text):
        if text not in self._texts:
            self._texts.append(text)
        return str(self._texts.index(text) + 1)

    def lines(self):
        return ["%d. %s." % (number + 1, text) for number, text in enumerate(self._texts)]


def cell(client, place, result, notes):
    """`result`: (works, faults, why), or None. Of what went wrong only what is the same in each run is told."""
    if result is None:
        return ""
    works, faults, why = result
    numbers = ", ".join(notes.number("%s %s" % (client.name, client.explanations[fault])) for fault in faults)
    if works:
        return ("the second time: %s" % numbers if AGAIN in faults else "with %s mended" % numbers) if faults else "yes"
    if place not in client.impossible:
        why = client.never.get(place, "the file did not arrive")
    return "no: %s" % notes.number("%s: %s" % (client.name, why))


def lines_of(results):
    """`results`: {(client, version): {(direction, route): result}}."""
    notes = Notes()
    columns = (*ROUTES, SEVERAL)
    lines = ["| client | the file goes | %s |" % " | ".join(columns), "| --- | --- |%s" % (" --- |" * len(columns))]
    for (client, version), cells in results.items():
        for direction in (TO, FROM):
            texts = [cell(client, (direction, route), cells.get((direction, route)), notes) for route in columns]
            lines.append("| %s %s | %s | %s |" % (client.name, version, direction, " | ".join(texts)))
    return lines + [""] + notes.lines()


def write(path, lines):
    """Puts the lines between the marks in the file. TRUE if that has changed it."""
    with open(path, encoding="utf-8") as f:
        before = f.read()
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    after = head + BEGIN + "\n" + "\n".join(lines) + "\n\n" + END + tail
    if after == before:
        return False
    with open(path, "w", encoding="utf-8") as f:
        f.write(after)
    return True
