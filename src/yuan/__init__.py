"""Yuan2 for transformers 5: the released checkpoint, without its remote code.

from src.yuan import register
register()
model = AutoModelForCausalLM.from_pretrained("…/Yuan2-2B-Mars-hf")
"""

from transformers import AutoConfig, AutoModelForCausalLM

from src.yuan.configuration import YuanConfig
from src.yuan.loading import check_checkpoint
from src.yuan.modeling import YuanForCausalLM, YuanModel, YuanPreTrainedModel
from src.yuan.prompt import YuanPromptFormat
from src.yuan.tokenizer import PlainEncoder, encode_plain, load_tokenizer

__all__ = [
    "PlainEncoder",
    "YuanConfig",
    "YuanForCausalLM",
    "YuanModel",
    "YuanPreTrainedModel",
    "YuanPromptFormat",
    "check_checkpoint",
    "encode_plain",
    "load_tokenizer",
    "register",
]


def register() -> None:
    """Make the ``Auto`` classes take this package for ``model_type: "yuan"``; a second call changes nothing."""
    AutoConfig.register(YuanConfig.model_type, YuanConfig, exist_ok=True)
    AutoModelForCausalLM.register(YuanConfig, YuanForCausalLM, exist_ok=True)
