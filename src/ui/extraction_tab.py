"""Tab 2: a resume in, entities out; one at a time, or a file of many."""

import gradio as gr

from src.ui.context import UPLOAD_LIFE_S, Context
from src.ui.extraction.batch_tab import BatchTab
from src.ui.extraction.single_tab import SingleTab
from src.ui.extraction.work import Outputs
from src.ui.session import IDLE_S, Session
from src.ui.templating import note
from src.ui.wording import CHINESE

_TRAINED = CHINESE("模型是用上市公司高管的简短介绍训练的：别的写法，如表格式简历、长履历，会漏、会错，请核对。")
_UNTRAINED = CHINESE("现在用的是没有为简历训练过的基座模型：会漏、会错，请核对。")
_PRIVACY = CHINESE(
    "隐私：简历和结果只在内存里，空闲 {hours} 小时或按“清除”就删除，不写日志；"
    "上传的文件约 {minutes} 分钟后从磁盘删除。"
)


class ExtractionTab:
    """Both ways in; ``restored`` are the outputs of ``restore``, ``cleared`` those of ``clear``."""

    def __init__(self, context: Context) -> None:
        words = context.words
        about = _TRAINED if context.runtime.extraction.has_adapter else _UNTRAINED
        gr.HTML(note(words(about), words), elem_id="extract-about")
        with gr.Tabs(elem_classes=["yz-sub"]):
            with gr.Tab(words("单份"), id="single"):
                self.single = SingleTab(context)
            with gr.Tab(words("批量"), id="batch"):
                self.batch = BatchTab(context)
        privacy = words(_PRIVACY).format(hours=int(IDLE_S // 3600), minutes=UPLOAD_LIFE_S // 60)
        gr.HTML(note(privacy, words), elem_id="extract-privacy")
        self.restored = self.batch.outputs
        self.cleared = [*self.single.cleared, *self.restored]

    def restore(self, session: Session) -> Outputs:
        """The batch of a page that has just loaded, as far as it is done."""
        return self.batch.idle(session.batch)

    def clear(self) -> Outputs:
        """Nothing of a visitor's on the page."""
        return {**self.single.clear(), **self.batch.idle(None)}
