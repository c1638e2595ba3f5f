"""The command line: ``python -m src serve | ask | search | extract | index | train | evaluate``."""

import argparse
import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from src.errors import InputError, SettingsError, YuanZhiError
from src.settings import Settings, add_settings_arguments, load_settings
from src.training.recipe import ReaderRecipe, add_recipe_arguments, recipe_of

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
        if namespace.command in ("extract", "index", "train"):
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

    def command(name: str, run: Any, help_text: str, within: Any = commands) -> argparse.ArgumentParser:
        # ``app.py`` is ``serve`` itself: its usage line should not show the word.
        prog = program if as_app else None
        sub: argparse.ArgumentParser = within.add_parser(name, help=help_text, description=help_text, prog=prog)
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
    extract.add_argument(
        "--fields",
        metavar="甲方,乙方",
        help="自定的字段，用逗号隔开，最多 30 个；不填抽取八类实体（文字不必是简历）",
    )
    index = command("index", _index, "建立或更新知识库索引，打印统计")
    index.add_argument("--rebuild", action="store_true", help="不用缓存，重新计算")
    train = command("train", _train, "训练 LoRA 适配器；中断后同样再运行一次会接着做")
    train.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help='resume：一个 JSON 数组或 .jsonl，课程的 {"input", "output"}，或 {"text", "entities": [["姓名", 起, 止], …]}；'
        'reader：一个或几个文件，SQuAD 格式的 JSON，或 .jsonl，每行 {"context", "question", "answers": [{"text", "start"}]}',
    )
    train.add_argument("--output", type=Path, required=True, metavar="DIR", help="适配器目录")
    train.add_argument("--dev", type=Path, metavar="FILE", help="验证数据；不填从 --data 里留出 5%%")
    train.add_argument("--start-from", type=Path, metavar="DIR", help="从这个适配器接着训练；不填从头")
    add_recipe_arguments(train)
    help_text = "量好坏：检索、回答、抽取"
    evaluate = commands.add_parser("evaluate", help=help_text, description=help_text)
    measures = evaluate.add_subparsers(dest="what", required=True, metavar="量什么")
    retrieval = command(
        "retrieval", _evaluate_retrieval, "检索：课程的做法、BM25 与各阶段，一次跑完", within=measures
    )
    retrieval.add_argument("--distractors", type=Path, metavar="D.jsonl", help='每行 {"text"}：混进来的无关文档')
    retrieval.add_argument("--questions", type=int, default=0, metavar="N", help="均匀抽取约 N 个问题（默认全部）")
    extraction = command("extraction", _evaluate_extraction, "抽取：精确率、召回率、F1 与错误", within=measures)
    which = extraction.add_mutually_exclusive_group()
    which.add_argument("--no-adapter", action="store_true", help="只用基座模型")
    which.add_argument("--both", action="store_true", help="适配器与基座模型都跑，并排比较")
    extraction.add_argument("--limit", type=int, default=0, metavar="N", help="均匀抽取 N 份（默认全部）")
    extraction.add_argument("--errors", type=int, default=0, metavar="N", help="列出最能说明问题的 N 份错误")
    extraction.add_argument("--one-by-one", action="store_true", help="一份一份地做，量出每份秒数的 p50 和 p95")
    answers = command(
        "answers", _evaluate_answers, "回答：对不对、有没有依据、该不该拒答；旁边是课程的做法", within=measures
    )
    answers.add_argument(
        "--questions",
        "--limit",
        type=int,
        metavar="N",
        help="均匀抽取 N 个问题（默认 200，RGB 格式默认全部；0 为全部）",
    )
    answers.add_argument(
        "--noise",
        metavar="0,0.4,0.8",
        help="RGB 格式：每题 5 段里无关段落的比例（默认 0,0.2,0.4,0.6,0.8）；只有无关段落的一轮总要做",
    )
    answers.add_argument("--split", metavar="test", help="RGB 格式：只用 split 是它的问题")
    layouts = (
        (retrieval, 'SQuAD 格式的 JSON，或 {"doc_id", "text" 或 "question"} 的 .jsonl'),
        (
            answers,
            'SQuAD 格式的 JSON，{"doc_id", "text" 或 "question" 加 "answers"} 的 .jsonl，'
            '或 RGB 格式：每行 {"query", "answer", "positive", "negative"}',
        ),
        (
            extraction,
            '标注好的简历，JSON 数组或 .jsonl：{"text", "entities": [["姓名", 起, 止], …]}；'
            '或自定字段的 .jsonl：{"text", "fields": {"字段": "原文里的值"，没有的写 ""}}',
        ),
    )
    for measure, layout in layouts:
        measure.add_argument("--data", type=Path, required=True, metavar="FILE", help=layout)
        measure.add_argument("--output", type=Path, metavar="OUT.json", help="结果另存为 JSON")
    return parser


def _set_up_logging(command: str) -> None:
    level = logging.INFO if command in ("serve", "index", "train") else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    # Their INFO lines hold every address that is called.
    for chatty in ("httpx", "httpx2", "httpcore", "urllib3", "filelock", "faiss"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("bm25s").propagate = False  # it sets itself to DEBUG when it is imported


def _serve(_: argparse.Namespace, settings: Settings) -> None:
    from src.serve import serve  # noqa: PLC0415 (every command imports only what it needs)

    serve(settings)


def _ask(given: argparse.Namespace, settings: Settings) -> None:
    from src.chat.answer import Answer  # noqa: PLC0415
    from src.chat.events import Replaced  # noqa: PLC0415
    from src.chat.service import MAX_TOP_K, ChatOptions, check_message  # noqa: PLC0415
    from src.runtime import Runtime  # noqa: PLC0415
    from src.search.search import check_top_k  # noqa: PLC0415

    question = check_message(given.question)
    check_top_k(given.top_k, MAX_TOP_K)
    options = ChatOptions(use_knowledge=not given.no_knowledge, top_k=given.top_k)
    answer = Answer(question)
    printed = 0
    for event in Runtime(settings).chat.ask(question, options=options):
        answer.add(event)
        if isinstance(event, Replaced) and not given.json:
            print("\n按资料更正：", end="")
            printed = 0
        if not given.json and not answer.done:
            print(answer.text[printed:], end="", flush=True)
            printed = len(answer.text)
    if given.json:
        _print_json(answer.to_json())
        return
    print(answer.written[printed:])
    for hit in answer.hits:
        read = "" if hit.stages.read is None else f" 有答案 {hit.stages.read:.2f}"
        print(f"[{hit.rank}] {hit.score:.2f}{read} {hit.chunk.source} {hit.chunk.text[:60]}")


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
    from src.extraction.own_fields import check_fields  # noqa: PLC0415
    from src.runtime import Runtime  # noqa: PLC0415

    if (given.text is None) == (given.input is None):
        raise SettingsError("extract 要么给一段文字，要么给 --input 文件")
    fields = check_fields(re.split("[,，、]", given.fields)) if given.fields else ()
    if given.text is not None:
        result = Runtime(settings).extraction.extract(given.text, not given.no_adapter, fields=fields)
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
        extract_file(service, given.input, given.output, not given.no_adapter, progress, fields)


def _index(given: argparse.Namespace, settings: Settings) -> None:
    from src.runtime import Runtime  # noqa: PLC0415
    from src.search.base import MAX_SOURCES  # noqa: PLC0415

    changes: dict[str, Any] = {}
    base = Runtime(settings).open_base(
        rebuild=given.rebuild, changed=lambda name, change: changes.update({name: asdict(change)})
    )
    entries = base.files()
    problems = {name: entry.problem for name, entry in entries.items() if entry.problem}
    read = {name: entry.read() for name, entry in islice(entries.items(), MAX_SOURCES) if not entry.problem}
    _print_json(base.stats() | {"problems": problems, "read": read, "changes": changes})


def _train(given: argparse.Namespace, settings: Settings) -> None:
    recipe = recipe_of(given)
    if isinstance(recipe, ReaderRecipe):
        _train_reader(recipe, given, settings)
        return
    if len(given.data) > 1:
        raise SettingsError(f"--task resume 只用一个数据文件，收到 {len(given.data)} 个")
    from src.runtime import Runtime  # noqa: PLC0415
    from src.training.run import train  # noqa: PLC0415

    model = Runtime(settings).trainable_model()
    about = train(model, recipe, given.data[0], given.output, dev_path=given.dev, start_from=given.start_from)
    if os.environ.get("RANK", "0") == "0":  # under torchrun every process comes here
        print(
            f"已存到 {given.output}；验证 F1 {100 * about['scores']['dev_f1']:.2f}。用法：--adapter {given.output}"
        )


def _train_reader(recipe: ReaderRecipe, given: argparse.Namespace, settings: Settings) -> None:
    from src.runtime import Runtime  # noqa: PLC0415
    from src.training.reader_run import train_reader  # noqa: PLC0415

    model = Runtime(settings).trainable_model()
    about = train_reader(model, recipe, given.data, given.output, dev_path=given.dev, start_from=given.start_from)
    scores = about["scores"]
    print(
        f"已存到 {given.output}；验证 EM {100 * scores['exact_match']:.1f}，字 F1 {100 * scores['f1']:.1f}，"
        f"误拒 {100 * scores['refused_wrongly']:.1f} % 时拒答 {100 * scores['refused_rightly']:.1f} %。"
        f"用法：--reader {given.output}"
    )


def _evaluate_retrieval(given: argparse.Namespace, settings: Settings) -> None:
    from src.evaluation.questions import read_questions  # noqa: PLC0415
    from src.evaluation.retrieval import evaluate, read_distractors, table, to_json  # noqa: PLC0415
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
        _write_json(given.output, to_json(scores, **about))


def _evaluate_answers(given: argparse.Namespace, settings: Settings) -> None:
    from src.evaluation import answers, rgb  # noqa: PLC0415
    from src.evaluation.questions import read_questions, spread  # noqa: PLC0415
    from src.runtime import Runtime  # noqa: PLC0415

    if given.questions is not None and given.questions < 0:
        raise SettingsError(f"--questions 不能小于 0，收到的是 {given.questions}")
    _check_writable(given.output)
    runtime = Runtime(settings)
    about: dict[str, Any] = {"data": given.data.name}
    if rgb.is_rgb(given.data):
        noises = rgb.NOISES if given.noise is None else rgb.parse_noises(given.noise)
        cases = rgb.read_cases(given.data, given.split or "")
        cases = spread(cases, given.questions or len(cases))
        about |= {"split": given.split, "model": runtime.model.name}
        print(f"{given.data.name}：{len(cases)} 个问题，每题 {rgb.PASSAGES} 段，模型 {runtime.model.name}")
        found = rgb.evaluate(
            cases, noises, runtime.embedder, runtime.chat_over, source=given.data.name, show_progress=True
        )
    else:
        if given.noise is not None or given.split is not None:
            raise SettingsError(f"--noise 和 --split 只用于 RGB 格式，{given.data.name} 不是")
        documents, questions = read_questions(given.data)
        wanted = 200 if given.questions is None else given.questions
        questions = spread(questions, wanted or len(questions))
        about |= {"documents": len(documents), "model": runtime.model.name}
        print(f"{given.data.name}：{len(questions)} 个问题，{len(documents)} 篇文档，模型 {runtime.model.name}")
        found = answers.evaluate(
            documents,
            questions,
            runtime.model,
            runtime.embedder,
            runtime.chat_over,
            max_new_tokens=settings.max_new_tokens,
            show_progress=True,
        )
    print(answers.table(found))
    if given.output is not None:
        _write_json(given.output, answers.to_json(found, **about))


def _evaluate_extraction(given: argparse.Namespace, settings: Settings) -> None:
    from src.evaluation.extraction import evaluate, spread, to_json  # noqa: PLC0415
    from src.evaluation.extraction_fields import has_fields  # noqa: PLC0415
    from src.evaluation.extraction_table import mistakes_text, table  # noqa: PLC0415
    from src.extraction.labelled import read_labelled  # noqa: PLC0415
    from src.runtime import Runtime  # noqa: PLC0415

    for name in ("limit", "errors"):
        if getattr(given, name) < 0:
            raise SettingsError(f"--{name} 不能小于 0，收到的是 {getattr(given, name)}")
    _check_writable(given.output)
    if has_fields(given.data):
        _evaluate_fields(given, settings)
        return
    labelled = read_labelled(given.data)
    if given.limit:
        labelled = spread(labelled, given.limit)
    runtime = Runtime(settings)
    service = runtime.extraction
    if given.both and not service.has_adapter:
        raise SettingsError("--both 要有适配器才能比较：请用 --adapter 指向适配器目录")
    adapter = None
    if service.has_adapter:
        adapter = Path(settings.adapter).resolve().name if settings.adapter else "内置"
    spans = sum(len(one.spans) for one in labelled)
    print(
        f"{given.data.name}：{len(labelled)} 份，{spans} 个实体，模型 {runtime.model.name}，适配器 {adapter or '无'}"
    )
    runs = [
        evaluate(service, labelled, use_adapter, one_by_one=given.one_by_one, show_progress=True)
        for use_adapter in ([True, False] if given.both else [not given.no_adapter])
    ]
    print(table(runs))
    if given.errors:
        for run in runs:
            print(f"\n{mistakes_text(run, given.errors)}")
    if given.output is not None:
        about = {"data": given.data.name, "n": len(labelled), "model": runtime.model.name, "adapter": adapter}
        _write_json(given.output, to_json(runs, **about))


def _evaluate_fields(given: argparse.Namespace, settings: Settings) -> None:
    from src.evaluation.extraction import spread  # noqa: PLC0415
    from src.evaluation.extraction_fields import evaluate_fields, fields_table, mistakes_of, read_fields, to_json  # noqa: PLC0415
    from src.runtime import Runtime  # noqa: PLC0415

    rows = read_fields(given.data)
    rows = spread(rows, given.limit) if given.limit else rows
    found = evaluate_fields(Runtime(settings).extraction, rows, show_progress=True)
    print(f"{given.data.name}：{len(rows)} 段文字，{sum(len(row.fields) for row in rows)} 个字段")
    print(fields_table(found))
    wrong = [(one.row, lines) for one in found if (lines := mistakes_of(one))]
    for row, lines in wrong[: given.errors]:
        print("\n" + row.text)
        print("\n".join(f"  {line}" for line in lines))
    if given.output is not None:
        _write_json(given.output, {"data": given.data.name, **to_json(found)})


def _check_writable(path: Path | None) -> None:
    if path is not None and not path.parent.is_dir():  # before hours of work, not after
        raise InputError(f"写不了 {path}：没有 {path.parent} 这个文件夹")


def _write_json(path: Path, value: Any) -> None:
    try:
        path.write_text(json.dumps(value, ensure_ascii=False, indent=2), "utf-8")
    except OSError as error:
        raise InputError(f"写不了 {path}：{error.strerror}") from error


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    sys.exit(main())
