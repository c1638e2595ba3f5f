"""The command line: ``python -m src serve | ask | search | extract | index | evaluate``."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.errors import InputError, SettingsError, YuanZhiError
from src.settings import Settings, add_settings_arguments, load_settings

EXIT_OK, EXIT_MISTAKE, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None, program: str = "python -m src") -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        namespace = _parser(program).parse_args(arguments)
    except SystemExit as leave:  # argparse has printed help or usage
        return int(leave.code or 0)
    _set_up_logging(namespace.command)
    try:
        settings = load_settings(namespace)
        namespace.run(namespace, settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except YuanZhiError as error:
        print(error, file=sys.stderr)
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        if namespace.command in ("extract", "index"):
            print("已停止。做完的都留着，再运行一次会接着做。", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has left; keep the interpreter from complaining while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK


def _parser(program: str) -> argparse.ArgumentParser:
    as_app = program == "app.py"
    parser = argparse.ArgumentParser(prog=program, description="源知 YuanZhi：中文知识问答与简历信息抽取")
    commands = parser.add_subparsers(dest="command", required=True, metavar="命令")

    def command(name: str, run: Any, help_text: str) -> argparse.ArgumentParser:
        # ``app.py`` is ``serve`` itself: its usage line should not show the word.
        prog = program if as_app else None
        sub = commands.add_parser(name, help=help_text, description=help_text, prog=prog)
        sub.set_defaults(run=run)
        add_settings_arguments(sub)
        return sub

    command("serve", _serve, "打开网页")
    ask = command("ask", _ask, "回答一个问题")
    ask.add_argument("question", help="问题")
    ask.add_argument("--no-knowledge", action="store_true", help="不用知识库，直接问模型")
    ask.add_argument("--top-k", type=int, default=4, help="资料条数（默认 4）")
    ask.add_argument("--json", action="store_true", help="输出 JSON，与 /chat 接口相同")
    search = command("search", _search, "只检索，不生成")
    search.add_argument("query", nargs="?", help="检索词；或用 --queries 给一个文件")
    search.add_argument("--queries", type=Path, metavar="Q.jsonl", help='每行 {"id", "query"}')
    search.add_argument("--output", type=Path, metavar="HITS.jsonl", help='每行 {"id", "hits"}')
    search.add_argument("--top-k", type=int, default=10, help="条数（默认 10）")
    search.add_argument("--mode", default="hybrid", choices=("hybrid", "dense", "lexical"), help="检索方式")
    extract = command("extract", _extract, "从简历抽取实体")
    extract.add_argument("text", nargs="?", help="简历文字；或用 --input 给一个文件")
    extract.add_argument(
        "--input",
        type=Path,
        metavar="IN",
        help='.jsonl 每行 {"id"?, "text"}；.csv 或 .xlsx 第一行是列名，简历在 text、简历、内容或正文列',
    )
    extract.add_argument(
        "--output",
        type=Path,
        metavar="OUT",
        help="结果文件，与输入同一种格式；中断后再运行会接着做：.jsonl 接着写；"
        ".csv、.xlsx 先记在旁边的 OUT.partial.jsonl，全部做完才写出，然后删掉它",
    )
    extract.add_argument("--no-adapter", action="store_true", help="只用基座模型")
    index = command("index", _index, "建立或更新知识库索引，打印统计")
    index.add_argument("--rebuild", action="store_true", help="不用缓存，重新计算")
    evaluate = command("evaluate", _evaluate, "量检索的好坏：课程的做法、BM25 与各阶段，一次跑完")
    evaluate.add_argument("what", choices=("retrieval",), help="量什么")
    evaluate.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help='SQuAD 格式的 JSON，或 {"doc_id", "text" 或 "question"} 的 .jsonl',
    )
    evaluate.add_argument("--distractors", type=Path, metavar="D.jsonl", help='每行 {"text"}：混进来的无关文档')
    evaluate.add_argument("--questions", type=int, default=0, metavar="N", help="均匀抽取约 N 个问题（默认全部）")
    evaluate.add_argument("--output", type=Path, metavar="OUT.json", help="结果另存为 JSON")
    return parser


def _set_up_logging(command: str) -> None:
    level = logging.INFO if command in ("serve", "index") else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    # Their INFO lines hold every address that is called.
    for chatty in ("httpx", "httpx2", "httpcore", "urllib3", "filelock", "faiss"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _serve(_: argparse.Namespace, settings: Settings) -> None:
    from src.serve import serve  # noqa: PLC0415 (every command imports only what it needs)

    serve(settings)


def _ask(given: argparse.Namespace, settings: Settings) -> None:
    from src.chat.service import MAX_TOP_K, check_message  # noqa: PLC0415
    from src.retrieval.search import check_top_k  # noqa: PLC0415
    from src.runtime import Runtime  # noqa: PLC0415

    check_message(given.question)
    check_top_k(given.top_k, MAX_TOP_K)
    answers = Runtime(settings).chat.stream(given.question, use_knowledge=not given.no_knowledge, top_k=given.top_k)
    printed = 0
    answer = None
    for answer in answers:
        if not given.json and not answer.done:
            print(answer.text[printed:], end="", flush=True)
            printed = len(answer.text)
    if answer is None:
        return
    if given.json:
        _print_json(answer.to_json())
        return
    print(answer.text[printed:])
    for hit in answer.hits:
        print(f"[{hit.rank}] {hit.score:.2f} {hit.chunk.source} {hit.chunk.text[:60]}")


def _search(given: argparse.Namespace, settings: Settings) -> None:
    from src.files import read_jsonl, write_jsonl  # noqa: PLC0415
    from src.runtime import Runtime  # noqa: PLC0415

    if (given.query is None) == (given.queries is None):
        raise SettingsError("search 要么给一个检索词，要么给 --queries 文件")
    if given.queries is None:
        hits = Runtime(settings).retriever.search(given.query, top_k=given.top_k, mode=given.mode)
        _print_json({"hits": [hit.to_json() for hit in hits]})
        return
    if given.output is None:
        raise SettingsError("--queries 要和 --output 一起用")
    queries = list(read_jsonl(given.queries, required={"query": str}))
    retriever = Runtime(settings).retriever
    rows = (
        {"id": row.get("id", number), "hits": [
            hit.to_json() for hit in retriever.search(row["query"], top_k=given.top_k, mode=given.mode)
        ]}
        for number, row in queries
    )  # fmt: skip
    write_jsonl(given.output, rows, total=len(queries), description="检索")


def _extract(given: argparse.Namespace, settings: Settings) -> None:
    from src.extraction.batch import extract_file  # noqa: PLC0415
    from src.runtime import Runtime  # noqa: PLC0415

    if (given.text is None) == (given.input is None):
        raise SettingsError("extract 要么给一段文字，要么给 --input 文件")
    if given.text is not None:
        result = Runtime(settings).extraction.extract(given.text, use_adapter=not given.no_adapter)
        _print_json(result.to_json())
        return
    if given.output is None:
        raise SettingsError("--input 要和 --output 一起用")
    if not given.input.is_file():
        raise InputError(f"找不到文件 {given.input}")
    from tqdm import tqdm  # noqa: PLC0415

    with tqdm(unit="份", desc="抽取") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        service = Runtime(settings).extraction
        extract_file(service, given.input, given.output, use_adapter=not given.no_adapter, progress=progress)


def _index(given: argparse.Namespace, settings: Settings) -> None:
    from src.runtime import Runtime  # noqa: PLC0415

    base = Runtime(settings).open_base(rebuild=given.rebuild)
    _print_json(base.stats() | {"problems": {name: e.problem for name, e in base.files().items() if e.problem}})


def _evaluate(given: argparse.Namespace, settings: Settings) -> None:
    from src.evaluation.retrieval import (  # noqa: PLC0415
        evaluate,
        read_distractors,
        read_questions,
        table,
        to_json,
    )
    from src.runtime import Runtime  # noqa: PLC0415

    if given.questions < 0:
        raise SettingsError(f"--questions 不能小于 0，收到的是 {given.questions}")
    documents, questions = read_questions(given.data)
    if given.questions:
        questions = questions[:: max(1, len(questions) // given.questions)]
    if given.distractors is not None:
        documents += read_distractors(given.distractors)
    runtime = Runtime(settings)
    print(f"{given.data.name}：{len(questions)} 个问题，{len(documents)} 篇文档，向量模型 {runtime.embedder.name}")
    scores = evaluate(documents, questions, runtime.embedder, runtime.reranker, show_progress=True)
    print(table(scores))
    if given.output is not None:
        about = {"data": given.data.name, "documents": len(documents), "embedder": runtime.embedder.name}
        try:
            given.output.write_text(json.dumps(to_json(scores, **about), ensure_ascii=False, indent=2), "utf-8")
        except OSError as error:
            raise InputError(f"写不了 {given.output}：{error.strerror}") from error


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    sys.exit(main())
