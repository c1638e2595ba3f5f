"""Everything that can go wrong in words a user can act on.

YuanZhiError            the text of every subclass is shown to users as it is
├── InputError          what was typed or sent cannot be used: empty, too long, out of range
├── SettingsError       an option or environment variable has a value that makes no sense
├── KnowledgeError      a knowledge file cannot be read or holds nothing usable
├── WeightsError        a model file cannot be had: no source answers, wrong checksum, full disk
├── ModelError          a model cannot be loaded or cannot answer
│   └── Busy            too many wait for the model already; later it will do
└── Stopped             the person who asked has left or pressed stop; nothing to show
"""


class YuanZhiError(Exception):
    """Base class; ``str(error)`` is one clear line that says what came, what was expected and the cure."""


class InputError(YuanZhiError):
    pass


class SettingsError(YuanZhiError):
    pass


class KnowledgeError(YuanZhiError):
    pass


class WeightsError(YuanZhiError):
    pass


class ModelError(YuanZhiError):
    pass


class Busy(ModelError):
    pass


class Stopped(YuanZhiError):
    pass
