"""A terminal's screen as SVG: reads `tmux capture-pane -p -e` on stdin. Usage: picture.py COLUMNS ROWS"""

import html
import re
import sys
import unicodedata

columns, rows = int(sys.argv[1]), int(sys.argv[2])
CELL_W, CELL_H, SIZE, PAD = 8.4, 17, 14, 10
BACK, FORE = "#16191d", "#c9ced6"
PALETTE = ["#16191d", "#e05561", "#8cc265", "#d18f52", "#4aa5f0", "#c162de", "#42b3c2", "#c9ced6",
           "#6b7280", "#ff6b77", "#a5e075", "#f0b25c", "#70bdff", "#de85ff", "#5fd3e0", "#ffffff"]


def indexed(n):
    if n < 16:
        return PALETTE[n]
    if n >= 232:
        return "#" + f"{8 + (n - 232) * 10:02x}" * 3
    n -= 16
    return "#" + "".join(f"{0 if c == 0 else 55 + c * 40:02x}" for c in (n // 36, n // 6 % 6, n % 6))


def apply(codes, style):
    codes = [int(code or 0) for code in codes]
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = {}
        elif code in (1, 2, 4, 7):
            style = {**style, {1: "bold", 2: "dim", 4: "underline", 7: "reverse"}[code]: True}
        elif code in (22, 24, 27):
            gone = {22: ("bold", "dim"), 24: ("underline",), 27: ("reverse",)}[code]
            style = {key: value for key, value in style.items() if key not in gone}
        elif code in (38, 48):
            key, kind = ("fore" if code == 38 else "back"), codes.pop(0)
            colour = indexed(codes.pop(0)) if kind == 5 else "#" + "".join(f"{codes.pop(0):02x}" for _ in range(3))
            style = {**style, key: colour}
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = {**style, "fore": PALETTE[code - 30 if code < 90 else code - 82]}
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = {**style, "back": PALETTE[code - 40 if code < 100 else code - 92]}
        elif code in (39, 49):
            style = {key: value for key, value in style.items() if key != ("fore" if code == 39 else "back")}
    return style


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


w, h = columns * CELL_W + 2 * PAD, rows * CELL_H + 2 * PAD
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:.0f} {h:.0f}" font-family="ui-monospace, Menlo, '
      f'Consolas, \'DejaVu Sans Mono\', monospace" font-size="{SIZE}">')
print("<title>Headroom's console: supply tree with load, limit and headroom, and the events below</title>")
print(f'<rect width="100%" height="100%" rx="6" fill="{BACK}"/>')
style = {}
for y, line in enumerate(sys.stdin.read().split("\n")[:rows]):
    x = 0
    for part in re.split(r"(\x1b\[[0-9;:]*m)", line):
        if part.startswith("\x1b["):
            style = apply(re.split("[;:]", part[2:-1]), style)
            continue
        if not part:
            continue
        fore, back = style.get("fore", FORE), style.get("back")
        if style.get("reverse"):
            fore, back = back or BACK, fore
        left, cells = PAD + x * CELL_W, width(part)
        if back:
            print(f'<rect x="{left:.1f}" y="{PAD + y * CELL_H}" width="{cells * CELL_W:.1f}" height="{CELL_H}" fill="{back}"/>')
        if part.strip():
            marks = ' font-weight="bold"' if style.get("bold") else ""
            marks += ' opacity="0.6"' if style.get("dim") else ""
            marks += ' text-decoration="underline"' if style.get("underline") else ""
            print(f'<text x="{left:.1f}" y="{PAD + y * CELL_H + 13}" fill="{fore}" textLength="{cells * CELL_W:.1f}" '
                  f'lengthAdjust="spacingAndGlyphs" xml:space="preserve"{marks}>{html.escape(part)}</text>')
        x += cells
print("</svg>")
