"""Ordinary resumes that we wrote and judged: forms, tables, lists, mixed languages, bad character recognition, several people.

    python -m benchmarks.resumes [--split dev] [--kind 混合语言] [--errors] [--record FILE] [--threads 2]

``tests/data/resumes.jsonl``: the people of each text with their values; rules are chosen on the split ``dev``, ``test`` is
measured. Values are compared as sets, without spaces and without what may stand behind them (本科学历, 河南南阳人, 汉族).
``values``: over each whole text, whoever they belong to. ``people``: a value counts only with its person, who is known by
the name. ``posts``: 职位 with its 组织名. ``details``: telephone, e-mail, birth.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.recorded import extraction_service
from src.extraction.schema import LABELS

DATA = Path(__file__).parents[1] / "tests" / "data" / "resumes.jsonl"
DETAILS = ("电话", "邮箱", "出生日期")
# What may stand behind a value or not.
BEHIND = {"教育背景": ("学历", "学位"), "专业": ("专业",), "地名": ("人",), "国籍": ("国籍", "籍"), "种族": ("族",)}
# The training data calls this a position; whether it is one is not measured.
IGNORED = {("职位", "中共党员")}
# Right wordings of (person, kind, value); the first one names it.
Fact = tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--split", help="only the texts of this half")
    parser.add_argument("--kind", help="only the texts of this kind")
    parser.add_argument("--errors", action="store_true", help="list what is wrong")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="what the model says: kept there, not asked again"
    )
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.data.read_text("utf-8").splitlines()]
    rows = [row for row in rows if given.split in (None, row["split"]) and given.kind in (None, row["kind"])]
    service = extraction_service(given.record, threads=given.threads)
    totals: dict[str, dict[str, Counter[str]]] = {}
    started = time.perf_counter()
    for row, found in zip(rows, service.extract_many([row["text"] for row in rows]), strict=True):
        for name, counts in compared(row, found.to_json(), given.errors).items():  # type: ignore[union-attr]
            for group in ("all", row["split"], row["kind"]):
                totals.setdefault(group, {}).setdefault(name, Counter()).update(counts)
    print(f"{len(rows)} resumes, {(time.perf_counter() - started) / len(rows):.2f} s each; F1 in %")
    for group, measures in totals.items():
        print(f"{group:8} " + "  ".join(f"{name} {line(name, counts)}" for name, counts in measures.items()))


def compared(row: dict[str, Any], found: dict[str, Any], errors: bool) -> dict[str, Counter[str]]:
    """Counts of each measure for one text."""
    people = row["people"]
    gold_values = {fact for person in people for fact in values_of(person)}
    got_values = {(label, bare(label, value)) for label in LABELS for value in found["entities"][label]}
    counts = {"values": count("值", gold_values, got_values - IGNORED, errors, row)}
    if "people" not in found:
        return counts
    got = found["people"]
    right = len(got) == len(people)
    if errors and not right:
        print(
            f"[{row['split']} {row['kind']}] {len(got)} people: {[one['name'] for one in got]}, should be {len(people)}"
        )
    counts["number of people"] = Counter(right=right, given=1, gold=1)
    names = {bare("姓名", one) for person in people for one in alternatives(person["姓名"][0])}
    gold_facts, got_facts = set(), set()
    for person in people:
        gold_facts |= {(alternatives(person["姓名"][0])[0], *fact) for fact in values_of(person)}
    first = {
        bare("姓名", one): bare("姓名", alternatives(p["姓名"][0])[0])
        for p in people
        for v in p["姓名"]
        for one in alternatives(v)
    }
    gold_facts = {(bare("姓名", name), label, *wordings) for name, label, *wordings in gold_facts}
    for one in got:
        name = first.get(bare("姓名", one["name"]), "?" if one["name"] not in names else one["name"])
        got_facts |= {
            (name, label, bare(label, value)) for label in LABELS for value in one["entities"][label]
            if (label, bare(label, value)) not in IGNORED
        }  # fmt: skip
    counts["people"] = count("人", gold_facts, got_facts, errors and len(people) > 1, row, 2)
    gold_posts, got_posts = set(), set()
    for person in people:
        for position, organisation in person.get("经历", ()):
            gold_posts.add(tuple(f"{bare('', a)}@{bare('', b)}" for a in position for b in organisation))
    for one in got:
        got_posts |= {
            (f"{bare('', post['职位'])}@{bare('', post['组织名'])}",) for post in one["posts"] if post["职位"] and post["组织名"]
        }  # fmt: skip
    counts["posts"] = count("经历", gold_posts, got_posts, errors, row, 0)
    gold_details = {(kind, bare("", one)) for p in people for kind in DETAILS for one in p.get(kind, ())}
    got_details = {
        (d["label"], bare("", d["text"])) for one in got for d in one["details"] if d["label"] in DETAILS
    }
    counts["details"] = count("联系", gold_details, got_details, errors, row)
    return counts


def values_of(person: dict[str, Any]) -> Iterator[Fact]:
    """(label, wording, other wordings …) of a person's values."""
    for label in LABELS:
        found = [alternatives(value) for value in person.get(label, ())]
        if label in ("职位", "组织名"):
            found += [post[label == "组织名"] for post in person.get("经历", ())]
        for wordings in found:
            yield (label, *dict.fromkeys(bare(label, one) for one in wordings))


def count(
    about: str, gold: Iterable[Fact], got: Iterable[Fact], errors: bool, row: Any, fixed: int = 1
) -> Counter[str]:
    """The first ``fixed`` parts of a fact must agree, then any of the wordings."""
    gold, left = list(gold), set(got)
    given, right = len(left), 0
    missed = []
    for fact in gold:
        match = next((one for one in left if one[:fixed] == fact[:fixed] and one[fixed] in fact[fixed:]), None)
        if match is None:
            missed.append(fact)
        else:
            right += 1
            # Other wordings of the same value are the same value.
            same = {one for one in left if one[:fixed] == fact[:fixed] and one[fixed] in fact[fixed:]}
            left -= same
            given -= len(same) - 1
    if errors and (missed or left):
        print(f"[{row['split']} {row['kind']}] {about}: missed {missed}, wrong {sorted(left)}", flush=True)
    return Counter(right=right, given=given, gold=len(set(gold)))


def bare(label: str, value: str) -> str:
    """Without spaces and what may stand behind it."""
    value = "".join(value.split())
    for behind in BEHIND.get(label, ()):
        if value != behind:
            value = value.removesuffix(behind)
    return value


def alternatives(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def line(name: str, counts: Counter[str]) -> str:
    if name == "number of people":
        return f"{counts['right']}/{counts['gold']}"
    if not counts["given"] + counts["gold"]:
        return "—"
    return f"{200 * counts['right'] / (counts['given'] + counts['gold']):.1f}"


if __name__ == "__main__":
    main()
