"""The screen of ``hfbs inspect``."""

from collections.abc import Iterator, Mapping, Sequence
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ._inspection_json import kind_of

if TYPE_CHECKING:
    from hfbs_filterbanks import BandLayout
    from hfbs_model import Finding, Inspection

    from ._command_inspect import Memory

_WIDEST, _WITHOUT_TERMINAL = 110, 100  # columns
_LEVELS = "▁▂▃▄▅▆▇█"
_TICKS = (100, 200, 500, 1000, 2000, 5000, 10000, 20000)  # Hz
_FAMILIES = {"bs": "BS-RoFormer", "mel": "Mel-Band RoFormer"}
_ORIGINS = {
    "weights": "the weights",
    "arguments": "the command line",
    "metadata": "the file's metadata",
    "configuration": "the YAML",
    "registry": "the registry",
    "assumed": "assumed",
}
_PLACES = {
    "arguments": "on the command line",
    "metadata": "in its metadata",
    "configuration": "in the YAML",
    "registry": "in the registry",
    "assumed": "assumed",
}
_SHOWN_ABOVE = frozenset({"freqs_per_bands", "mask_filter_bank"})


def show(file: Path, inspection: "Inspection", memory: "Memory") -> None:
    """Print the screen to stdout, as wide as the terminal, up to 110 columns."""
    console = Console(highlight=False)
    console.width = min(console.width, _WIDEST) if console.is_terminal else _WITHOUT_TERMINAL
    console.print(screen(file, inspection, memory, console.width))


def screen(file: Path, inspection: "Inspection", memory: "Memory", width: int) -> RenderableType:
    """All that is known, in sections."""
    sections: dict[str, RenderableType] = {
        "Architecture": _rows(_architecture(inspection)),
        "Bands": _bands(inspection, width),
        "Size": _size(inspection, memory),
        "Where settings are from": _rows(_origins(inspection.report.findings)),
    }
    differences = inspection.report.differences
    if differences:
        sections["[red]Differences[/red]"] = _differences(differences)
    if inspection.missing:
        sections["[yellow]Missing[/yellow]"] = _missing(inspection)
    notes = [*inspection.report.notes, *_about_unused(inspection.report.unused)]
    if notes:
        sections["Notes"] = _list(notes)
    parts: list[RenderableType] = list(_title(file, inspection))
    for heading, section in sections.items():
        rule = Rule(f"[bold]{heading}[/bold]", align="left", style="dim", characters="─")
        parts += ["", rule, Padding(section, (0, 0, 0, 2))]
    return Group(*parts)


def _title(file: Path, inspection: "Inspection") -> Iterator[RenderableType]:
    stems = len(inspection.parameters.mask_estimators)
    kind = " + ".join((_FAMILIES[inspection.family], *inspection.variants))
    yield f"[bold cyan]{escape(file.name)}[/bold cyan]  {kind}, {stems} stem{'s' * (stems > 1)}"
    known = inspection.known
    if known is not None:
        yield f"[green]✓[/green] {escape(known.title)}, by {escape(known.author)} [dim]({known.name})[/dim]"
        yield f"  licence: {escape(known.licence or 'not stated in the sources, which is no permission')}"
    for key, value in inspection.provenance.items():
        yield f"[dim]{escape(key)}: {escape(value)}[/dim]"
    yield Text(f"SHA-256 {inspection.sha256}", style="dim", no_wrap=True, overflow="fold")


def _architecture(inspection: "Inspection") -> dict[str, str]:
    of = inspection.values
    blocks = [f"{of['time_transformer_depth']} along time", f"{of['freq_transformer_depth']} along bands"]
    if of.get("linear_transformer_depth"):
        blocks.insert(0, f"{of['linear_transformer_depth']} linear over both")
    positions = "PoPE" if of.get("use_pope") else "RoPE"
    rows = {
        "trunk": f"{of['depth']} layer{'s' * (of['depth'] != 1)} of {' + '.join(blocks)}; dim {of['dim']}",
        "attention": f"{of['heads']} heads × {of['dim_head']}, {positions}",
        "feed-forward": f"× {_number(of['ff_mult'])}",
        "mask heads": _mask_heads(inspection),
        "stems": escape(_listed(stems)) if (stems := _stems(inspection)) else f"{of['num_stems']}, not named",
    }
    if residual := of.get("residual"):
        rows["residual"] = f"{escape(str(residual))}, the mixture less the stems"
    if of.get("use_value_residual_learning"):
        rows["attention"] += ", value residuals"
    if of.get("skip_connection"):
        rows["trunk"] += ", skip connections"
    for variant in inspection.absent_variants:
        rows[variant] = "[yellow]not installed[/yellow]; pip install hfbs-experimental"
    return rows


def _stems(inspection: "Inspection") -> tuple[str, ...]:
    """Their names; none where nobody names them, or names too many or too few."""
    stems = inspection.values.get("stems")
    return cast("tuple[str, ...]", stems) if isinstance(stems, tuple) else ()


def _mask_heads(inspection: "Inspection") -> str:
    of = inspection.values
    hidden = of.get("mask_estimator_depth")
    if hidden is None:
        return "no plain networks; see the variants"
    if hidden == 0:
        return "one linear layer per band"
    plural = "s" if hidden != 1 else ""
    return f"{hidden} hidden layer{plural} of {of['mlp_expansion_factor']} × dim per band"


def _bands(inspection: "Inspection", width: int) -> RenderableType:
    layout, of = inspection.layout, inspection.values
    if layout is None:
        return "[yellow]not told by the widths alone[/yellow]; see below"
    channels = "stereo" if of.get("stereo") else "mono"
    rate = of.get("sample_rate")
    kind = {"mel": "mel bands, which overlap", "side by side": "bands side by side", "custom": "bands of a matrix"}
    words = f"{layout.num_bands} {kind[kind_of(of)]}, over an FFT of {of.get('stft_n_fft', layout.n_fft)}, {channels}"
    spans = f"{min(layout.widths)} to {max(layout.widths)} bins wide"
    if isinstance(rate, int):
        words += f" at {rate} Hz"
    ruler = [_ruler(layout, rate, width - 4)] if isinstance(rate, int) else []
    legend = f"[dim]a column per band, as high as it is wide, on a logarithmic scale: {spans}[/dim]"
    return Group(words, _sparkline(layout, width - 4), *ruler, legend)


def _sparkline(layout: "BandLayout", columns: int) -> Text:
    """A column per band, on a logarithmic scale: bands differ by a factor of a hundred."""
    widest, narrowest = log2(max(layout.widths)), log2(min(layout.widths))
    reach = max(widest - narrowest, 1e-9)
    heights = [round((len(_LEVELS) - 1) * (log2(width) - narrowest) / reach) for width in layout.widths]
    return Text("".join(_LEVELS[heights[band]] for band in _columns(layout, columns)), style="cyan", no_wrap=True)


def _ruler(layout: "BandLayout", sample_rate: int, columns: int) -> Text:
    """Frequencies under the first column whose band reaches them."""
    centers = layout.center_frequencies(sample_rate)[_columns(layout, columns)]
    line = ""
    for tick in _TICKS:
        column = int(np.searchsorted(centers, tick))
        label = f"╵{tick // 1000} kHz" if tick >= 1000 else f"╵{tick} Hz"
        if column < len(centers) and len(line) < column - 1 and column + len(label) <= columns:
            line = line.ljust(column) + label
    return Text(line, style="dim", no_wrap=True)


def _columns(layout: "BandLayout", columns: int) -> list[int]:
    """Which band stands in each column: all of them, or as many as there is room for."""
    shown = min(layout.num_bands, columns)
    return [band * layout.num_bands // shown for band in range(shown)]


def _size(inspection: "Inspection", memory: "Memory") -> RenderableType:
    parameters = inspection.parameters
    parts = {"band split": parameters.band_split, "trunk": parameters.trunk}
    stems, sizes = _stems(inspection), parameters.mask_estimators
    if len(sizes) <= 6 and len(stems) == len(sizes):
        parts |= {f"mask head {stem}": size for stem, size in zip(stems, sizes, strict=True)}
    else:
        parts["mask head" if len(sizes) == 1 else f"{len(sizes)} mask heads"] = sum(sizes)
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for part, size in parts.items():
        bar = "█" * round(30 * size / parameters.total)
        table.add_row(escape(part), f"{size / 1e6:.2f} M", f"[cyan]{bar}[/cyan] {size / parameters.total:.0%}")
    types = ", ".join(inspection.dtypes)
    table.add_row("[bold]parameters[/bold]", f"[bold]{parameters.total / 1e6:.2f} M[/bold]", "")
    rows = {"file": f"{_bytes(inspection.file_size)}, {types}", "memory": _memory(memory)}
    return Group(table, _rows(rows, max(map(len, (*parts, "parameters")))))


def _memory(memory: "Memory") -> str:
    chunks = f"chunks of {memory.samples / memory.sample_rate:.3g} s, {memory.batch_size} at once, in float32"
    if memory.needed is None:
        return f"{memory.why_not} ({chunks})"
    supposed = ", ".join(f"{name}={value}" for name, value in memory.supposed.items())
    return f"[bold]{_bytes(memory.needed)}[/bold] with weights, for {chunks}" + (
        f" [yellow](supposing {supposed})[/yellow]" if supposed else ""
    )


def _origins(findings: Sequence["Finding"]) -> dict[str, str]:
    rows: dict[str, list[str]] = {}
    for finding in findings:
        if finding.taken is None or finding.keyword in _SHOWN_ABOVE:
            continue
        rows.setdefault(_ORIGINS[finding.origin], []).append(f"{finding.keyword}={_value(finding.taken)}")
    order = [words for words in _ORIGINS.values() if words in rows]
    return {words: escape("  ".join(setting.replace(" ", "\u00a0") for setting in rows[words])) for words in order}


def _differences(differences: Sequence["Finding"]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for finding in differences:
        heard = ["no such thing" if finding.taken is None else _value(finding.taken), "in the weights"]
        for origin, value in finding.said.items():
            heard += [f"[red]{escape(_value(value))}[/red]", _PLACES[origin]] if value != finding.taken else []
        pairs = ", ".join(f"{value} {place}" for value, place in zip(heard[::2], heard[1::2], strict=True))
        table.add_row(
            f"[red]✗[/red] {finding.keyword}", pairs + (f"; {escape(finding.remark)}" if finding.remark else "")
        )
    return table


def _missing(inspection: "Inspection") -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for keyword, usual in inspection.missing.items():
        table.add_row(f"[yellow]?[/yellow] {keyword}", escape(usual))
    return Group(table, "Give the YAML that came with the file by --config, or each by --set NAME=VALUE.")


def _about_unused(unused: Sequence[str]) -> list[str]:
    if not unused:
        return []
    some = ", ".join(unused[:3]) + (", …" if len(unused) > 3 else "")
    return [f"separation does without {len(unused)} key{'s' * (len(unused) > 1)} of the YAML: {some}"]


def _rows(rows: Mapping[str, str], width: int = 0) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True, min_width=width)
    table.add_column()
    for label, text in rows.items():
        table.add_row(label, text)
    return table


def _list(items: Sequence[str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for item in items:
        table.add_row("·", escape(item))
    return table


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{_listed(cast('tuple[object, ...]', value))}]"
    return _number(value) if isinstance(value, float) else getattr(value, "__name__", str(value))


def _listed(values: object) -> str:
    items = [str(value) for value in cast("Sequence[object]", values)]
    return ", ".join(items) if len(items) <= 8 else f"{', '.join(items[:7])}, … {len(items)} in all"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bytes(count: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} bytes"
