"""The paper in five drawings (notebook 00), the two about its network: residual blocks, and skip connections."""

from lowtex_lab.plots.canvas import BLUE, GREY, LIGHT_BLUE, ORANGE, Sheet
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, MUTED

_COLORS = {"conv": LIGHT_BLUE, "BN": "white", "ReLU": "#E3E5E8", "pool": "#F6E7C6"}
_WARN = "#F4B183"

_BLOCKS = {
    "ResNet, every block": {
        "branch": ["conv 3×3", "BN", "ReLU", "conv 3×3", "BN"],
        "after": ["ReLU"],
        "shortcut": ["conv 1×1,\nstride 2", "BN"],
    },
    "iResNet: Start": {
        "branch": ["conv 3×3", "BN", "ReLU", "conv 3×3", "BN"],
        "after": [],
        "shortcut": ["max-pool\n3×3, stride 2", "conv 1×1", "BN"],
    },
    "iResNet: Middle": {"branch": ["BN", "ReLU", "conv 3×3", "BN", "ReLU", "conv 3×3"], "after": [], "shortcut": []},
    "iResNet: End": {
        "branch": ["BN", "ReLU", "conv 3×3", "BN", "ReLU", "conv 3×3"],
        "after": ["BN", "ReLU"],
        "shortcut": [],
    },
}


@plot
def diagram_blocks():
    """Drawing 2: the residual blocks of ResNet and of iResNet, and how often each stage rectifies its main path."""
    sheet = Sheet(
        6.3,
        "2. The encoder: fewer ReLUs on the main path, and a shortcut that looks at every pixel",
        "Blocks of two 3×3 convolutions (depth 18 and 34); deeper nets have 1×1, 3×3, 1×1 instead. The shortcuts drawn "
        "are those of a stage's first block where the size and the channels change: a 1×1 convolution with stride 2 "
        "reads one pixel in four. The block right after Start lacks its first BN. Parameter counts are equal "
        "(Duta et al. 2020, arXiv 2004.04989).",
    )
    for column, (name, parts) in enumerate(_BLOCKS.items()):
        _block(sheet, 0.25 + 2.22 * column, 5.68, name, parts)
    sheet.text(0.2, 1.5, "One stage of four blocks; orange: a ReLU on the main path", 9, ha="left", color=MUTED)
    _stage(sheet, 1.2, "ResNet", ["block"] * 4, [True] * 4)
    _stage(sheet, 0.86, "iResNet", ["Start", "Middle", "Middle", "End"], [False, False, False, True])
    return sheet.figure


def _block(sheet: Sheet, left: float, top: float, name: str, parts: dict) -> None:
    main, side, step = left + 0.45, left + 1.45, 0.37
    sheet.text(left + 0.9, top, name, 10, fontweight="bold")
    enter, meet = top - 0.3, top - 2.9
    end = meet - 0.32 - step * len(parts["after"])
    sheet.arrow((main, enter), (main, end - 0.12), line=2.4, color=INK)
    sheet.axes.plot([main, side, side], [enter - 0.08, enter - 0.08, meet], color=MUTED, linewidth=1.2, zorder=1)
    sheet.arrow((side, meet), (main + 0.13, meet), color=MUTED, line=1.2)
    for row, part in enumerate(parts["branch"]):
        sheet.box(side, enter - 0.36 - step * row, 0.86, 0.29, part, _COLORS[part.split()[0]])
    shortcut = parts["shortcut"]
    for row, part in enumerate(shortcut):
        tall = 0.44 if "\n" in part else 0.29
        y = enter - 0.75 - 0.52 * row
        color = _COLORS["pool"] if "pool" in part else _COLORS[part.split()[0]]
        sheet.box(main, y, 0.86, tall, part, color, size=8.5)
    if not shortcut:
        sheet.text(main - 0.1, enter - 1.3, "nothing in\nthe way", 8.5, rotation=90, ha="right", color=MUTED)
    sheet.circle(main, meet, 0.12, "+", size=11)
    for row, part in enumerate(parts["after"]):
        warn = part == "ReLU"
        color, edge = (_WARN, ORANGE) if warn else (_COLORS["BN"], "#7b828c")
        sheet.box(
            main, meet - 0.36 - step * row, 0.86, 0.29, part, color, edge=edge, fontweight="bold" if warn else "normal"
        )


def _stage(sheet: Sheet, y: float, name: str, blocks: list[str], rectified: list[bool]) -> None:
    sheet.text(0.2, y, name, 9.5, ha="left", fontweight="bold")
    x = 1.6
    for block, warn in zip(blocks, rectified, strict=True):
        sheet.arrow((x - 0.66, y), (x - 0.42, y), head=9)
        sheet.box(x, y, 0.84, 0.26, block, GREY)
        if warn:
            sheet.box(x + 0.61, y, 0.34, 0.22, "R", _WARN, edge=ORANGE, size=8.5, fontweight="bold")
        x += 1.5
    total = sum(rectified)
    sheet.text(x - 0.35, y, f"{total} ReLU{'s' if total > 1 else ''} on the main path", 9, ha="left")


@plot
def diagram_decoders():
    """Drawing 3: plain skip connections beside the nested grid, in which deeper levels feed every upper one."""
    sheet = Sheet(
        5.0,
        "3. The decoder: plain skips beside a nested grid, where deeper levels feed all upper ones",
        "Each circle is a map, X(level, column); column 0 is the encoder. Blue: from a deeper level, upsampled. Grey: "
        "skip at one size. Orange rims: a disparity is read off there (04 gives two, at half and at full size). Grid "
        "after UNet++ and HR-Depth.",
    )
    plain = {(level, 4 - level) for level in range(4)}
    nested = {(level, column) for level in range(4) for column in range(1, 5 - level)}
    for left, name, nodes in ((0.95, "U-Net", plain), (5.05, "nested grid", nested)):
        _grid(sheet, left, name, nodes)
    for level in range(5):
        sheet.text(0.48, _row(level), f"stride\n{2 ** (level + 1)}", 8.5, color=MUTED)
    return sheet.figure


def _row(level: int) -> float:
    return 3.72 - 0.7 * level


def _grid(sheet: Sheet, left: float, name: str, nodes: set[tuple[int, int]]) -> None:
    place = {(level, column): (left + 0.25 + 0.8 * column, _row(level)) for level in range(5) for column in range(5)}
    sheet.text(left, 4.45, name, 10.5, ha="left", fontweight="bold")
    shown = {(level, 0) for level in range(5)} | nodes
    for level in range(4):
        (x, y), (x2, y2) = place[level, 0], place[level + 1, 0]
        sheet.arrow((x, y - 0.23), (x2, y2 + 0.23), line=1.6)
    for level, column in sorted(nodes):
        x, y = place[level, column]
        below = place[level + 1, column - 1]
        sheet.arrow((below[0] + 0.16, below[1] + 0.16), (x - 0.16, y - 0.17), color=BLUE, line=1.8)
        for earlier in range(column):
            if (level, earlier) not in shown:
                continue
            start = place[level, earlier]
            near = column - earlier == 1 or name == "U-Net"
            if near:
                sheet.arrow((start[0] + 0.23, y), (x - 0.23, y), color="#8a919b", line=1.2, head=9)
            else:
                bend = -0.32 if column - earlier == 2 else -0.3
                sheet.arrow(
                    (start[0] + 0.12, y + 0.2), (x - 0.14, y + 0.19), color="#b3b9c2", line=1.0, head=8, curve=bend
                )
    for level, column in sorted(shown):
        x, y = place[level, column]
        output = (level, column) in {(0, 4), (1, 3), (2, 2)}
        color = "white" if column == 0 else LIGHT_BLUE
        sheet.circle(x, y, 0.22, f"{level}{column}", color=color, edge=ORANGE if output else INK, size=9.5,
                     fontweight="bold" if output else "normal")  # fmt: skip
