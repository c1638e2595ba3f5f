"""Tab 2: a resume in, entities out; one at a time, or a file of many."""

import gradio as gr

from src.runtime import Runtime
from src.ui import render
from src.ui.extraction import batch_tab, single_tab
from src.ui.guard import UPLOAD_LIFE_S
from src.ui.running import Leaving
from src.ui.wording import CHINESE, Words

WITH_ADAPTER = CHINESE("已载入简历适配器。取消勾选，或用“对照”，可看基座模型的结果。")
WITHOUT_ADAPTER = CHINESE(
    "还没有载入简历适配器（LoRA）：下面是基座模型用课程提示词抽取的结果，会有遗漏和类别错误。训练一个："
    "python -m src train --data 数据.json --output 适配器目录，再用 --adapter 适配器目录 启动。"
)
PRIVACY = CHINESE(
    "隐私：简历属于个人信息。文字和结果只在内存里处理，会话结束就删除，不写日志；"
    "上传的文件由网页暂存，约 {minutes} 分钟后从磁盘删除。"
)


def build(runtime: Runtime, words: Words) -> list[Leaving]:
    """Draw the tab inside the current Blocks; returns what must know when a visitor leaves, in order."""
    gr.HTML(render.note(words(PRIVACY).format(minutes=UPLOAD_LIFE_S // 60)), elem_id="extract-privacy")
    about = WITH_ADAPTER if runtime.extraction.has_adapter else WITHOUT_ADAPTER
    gr.HTML(render.note(words(about)), elem_id="extract-about")
    with gr.Tabs():
        with gr.Tab(words("单份"), id="single"):
            single = single_tab.build(runtime, words)
        with gr.Tab(words("批量"), id="batch"):
            batch = batch_tab.build(runtime, words)
    return [single, *batch]
