"""The look of every table of this tab."""

from collections.abc import Sequence

import gradio as gr

from src.ui.wording import Words


def table(
    headers: Sequence[str],
    widths: Sequence[int],
    words: Words,
    elem_id: str,
    *,
    numbers: Sequence[int] = (),
    label: str = "",
    height: int = 480,
) -> gr.Dataframe:
    """Rows to read and to choose from; ``numbers`` are the columns of figures, ``widths`` in pixels."""
    return gr.Dataframe(
        headers=[words(header) for header in headers],
        datatype=["number" if column in numbers else "str" for column in range(len(headers))],
        column_widths=[f"{width}px" for width in widths],
        type="array",
        interactive=False,
        wrap=True,
        buttons=[],
        label=label,
        show_label=bool(label),
        max_height=height,
        elem_id=elem_id,
        elem_classes=["yz-list"],
    )
