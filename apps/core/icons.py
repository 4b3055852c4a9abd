"""The icons in use: our name → its name in Lucide (PyPI lucide). `manage.py build_icons` writes static/icons.svg."""

from xml.etree import ElementTree

import lucide

ICONS = {
    "home": "house",
    "inbox": "inbox",
    "flame": "flame",
    "bell": "bell",
    "agent": "bot",
    "trace": "chart-gantt",
    "chart": "chart-column",
    "flask": "flask-conical",
    "shield": "shield",
    "scale": "scale",
    "log": "scroll-text",
    "calendar": "calendar-range",
    "steps": "trending-up",
    "book": "book-open",
    "sliders": "sliders-horizontal",
    "search": "search",
    "power": "power",
    "pause": "pause",
    "tool": "wrench",
    "user": "user",
    "users": "users",
    "sun": "sun",
    "out": "log-out",
    "check": "check",
    "plus": "plus",
    "updown": "chevrons-up-down",
    "down": "chevron-down",
    "right": "chevron-right",
    "menu": "menu",
    "copy": "copy",
    "warning": "triangle-alert",
    "clock": "clock",
    "queue": "hourglass",
    "eye": "eye",
    "undo": "undo-2",
    "x": "x",
    "download": "download",
    "key": "key-round",
    "mail": "mail",
    "building": "building-2",
    "coins": "coins",
    "model": "box",
    "retrieval": "database",
    "arrow": "arrow-right",
    "up": "arrow-up",
    "falling": "arrow-down",
    "link": "link",
    "trash": "trash-2",
    "edit": "pencil",
    "keyboard": "keyboard",
    "lock": "lock",
    "refresh": "refresh-cw",
    "file": "file-text",
    "compare": "git-compare",
    "message": "message-square",
    "human": "hand",
    "tree": "list-tree",
    "activity": "activity",
    "moon": "moon",
    "external": "external-link",
    "step": "circle-dot",
    "receipt": "receipt",
    "hidden": "eye-off",
}

# Verdicts are shapes of our own: told apart without colour, filled, 16 units wide.
VERDICTS = {
    "healthy": "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1m3.6 5.3-4.2 4.9a.9.9 0 0 1-1.3 0L4.3 9.3l1.2-1.2 1.2 1.2 3.6-4.2z",
    "watch": "M8 1.2a1.1 1.1 0 0 1 1 .6l6 11.4a1.1 1.1 0 0 1-1 1.6H2a1.1 1.1 0 0 1-1-1.6L7 1.8a1.1 1.1 0 0 1 1-.6"
    "M7.2 6v4h1.6V6zm0 5.3v1.6h1.6v-1.6z",
    "unhealthy": "M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1zm.9 3.8L4.8 6l2 2-2 2L6 11.2l2-2 2 2 1.2-1.2-2-2 2-2"
    "L10 4.8l-2 2z",
    "unknown": "M8 1.2a6.8 6.8 0 0 1 2.6.5l-.6 1.4a5.3 5.3 0 0 0-4 0l-.6-1.4A6.8 6.8 0 0 1 8 1.2M12.8 3.2a6.8 6.8 0 0 1"
    " 1.5 2.2l-1.4.6a5.3 5.3 0 0 0-1.1-1.7zM14.8 8a6.8 6.8 0 0 1-.5 2.6l-1.4-.6a5.3 5.3 0 0 0 0-4M3.2 3.2l1 1.1A5.3 5.3"
    " 0 0 0 3.1 6l-1.4-.6A6.8 6.8 0 0 1 3.2 3.2M1.7 10.6a6.8 6.8 0 0 1 0-5.2l1.4.6a5.3 5.3 0 0 0 0 4zM4.2 11.8A5.3 5.3"
    " 0 0 0 6 12.9l-.6 1.4a6.8 6.8 0 0 1-2.2-1.5zM12.8 12.8a6.8 6.8 0 0 1-2.2 1.5l-.6-1.4a5.3 5.3 0 0 0 1.7-1.1zM6 12.9"
    "a5.3 5.3 0 0 0 4 0l.6 1.4a6.8 6.8 0 0 1-5.2 0z",
}


def sprite() -> str:
    """Return the sprite: one symbol per icon, drawn by `<use href="…/icons.svg#name">`."""
    symbols = []
    for name, source in ICONS.items():
        drawing = lucide._load_icon(source)
        content = "".join(_plain(child) for child in drawing)
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{content}</symbol>')
    for name, path in VERDICTS.items():
        symbols.append(f'<symbol id="v-{name}" viewBox="0 0 16 16"><path d="{path}"/></symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def _plain(element: ElementTree.Element) -> str:
    name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else str(element.tag.text).rpartition("}")[2]
    attributes = "".join(f' {key}="{value}"' for key, value in element.attrib.items())
    return f"<{name}{attributes}/>"
