"""The word list of ``src/search/vocabulary.txt``, made from jieba's dictionary, and what it does for aliases.

python -m benchmarks.vocabulary DICT.txt            # jieba 0.42.1's dict.txt: writes the list
python -m benchmarks.vocabulary --questions FILE…   # lines {"question" or "query"}: aliases kept and refused
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from src.search.synonyms import default_lexicon
from src.search.terms import without_question
from src.search.vocabulary import VOCABULARY

# Of jieba's frequencies. At 100, of 4,173 aliases in the questions of CMRC 2018 and DRCD 27 are refused of those that
# jieba cuts apart, and 4 of those that it does not (at 50: 31 and 9; at 300: 21 and 1).
MIN_FREQUENCY = 100
HEADER = """\
# 两到四个字的常用词，每行是同一个字开头的。来自 jieba 0.42.1 的 dict.txt（MIT 许可，© 2013 Sun Junyi），词频不低于 {0}。
# 由 python -m benchmarks.vocabulary 生成。
"""


def write(dictionary: Path) -> None:
    by_first: dict[str, list[str]] = defaultdict(list)
    for line in dictionary.read_text("utf-8").splitlines():
        word, frequency, *_ = line.split()
        if 2 <= len(word) <= 4 and int(frequency) >= MIN_FREQUENCY and all("\u3400" <= c <= "\u9fff" for c in word):
            by_first[word[0]].append(word)
    lines = [" ".join(sorted(by_first[first])) for first in sorted(by_first)]
    VOCABULARY.write_text(HEADER.format(MIN_FREQUENCY) + "\n".join(lines) + "\n", "utf-8")
    print(sum(map(len, by_first.values())), "words,", VOCABULARY.stat().st_size, "bytes")


def measure(files: list[Path]) -> None:
    """Print every alias of the questions that is refused because it straddles two words."""
    lexicon = default_lexicon()
    kept = refused = 0
    for file in files:
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            text = without_question(row.get("question") or row.get("query") or "")
            found = {match.span() for match in lexicon._found(text)}
            for match in lexicon._pattern.finditer(text) if lexicon._pattern else ():
                if len(match.group()) == 1:
                    continue
                kept, refused = kept + (match.span() in found), refused + (match.span() not in found)
                if match.span() not in found:
                    print(f"{text[: match.start()]}[{match.group()}]{text[match.end() :]}")
    print(kept, "kept,", refused, "refused")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dictionary", nargs="?", type=Path)
    parser.add_argument("--questions", nargs="*", type=Path, default=[])
    given = parser.parse_args()
    if given.dictionary:
        write(given.dictionary)
    if given.questions:
        measure(given.questions)
