"""Several users asking at once: one answer after the other, and all of them in the same passes.

    python -m benchmarks.batching --users 1 2 4 8 [--profile embedded] [--questions 2] [--threads 2]

Every user asks his questions one after the other, with the passages that the product finds for them; all start
together. Prints tokens a second over all users, and the time to the first word (waiting included) and to the last.
Both ways run the same weights on the same prompts in one process, and ``same`` is the share of answers that are
word for word the same (int8 and half precision round otherwise when more tokens share a pass).
"""

import argparse
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from src.caller import Caller
from src.chat.prompt import build_messages
from src.models.base import GenerationOptions, Message
from src.models.local import LocalModel
from src.models.turns import Turns
from src.runtime import Runtime
from src.settings import ROOT, load_settings

QUESTIONS = ROOT / "examples" / "questions.txt"


@dataclass
class Answer:
    text: str
    first_s: float
    total_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--questions", type=int, default=1, help="of each user")
    parser.add_argument("--places", type=int, default=4, help="answers in one pass")
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--profile", choices=["embedded", "yuan"], default="embedded")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passages", type=int, default=3)
    given = parser.parse_args()

    runtime = Runtime(load_settings(profile=given.profile, threads=given.threads))
    model = runtime.model
    assert isinstance(model, LocalModel)
    single = replace(model, turns=Turns(places=1))
    single.run_on(lambda function: function)
    batched = replace(model, turns=Turns(places=given.places))
    questions = QUESTIONS.read_text("utf-8").splitlines()[: max(given.users) * given.questions]
    prompts = []
    for question in questions:
        hits = runtime.retriever.search(question, top_k=given.passages)
        prompts.append(build_messages(model, question, hits, [], given.max_new_tokens))
    options = GenerationOptions(given.max_new_tokens)
    list(single.stream(prompts[0], GenerationOptions(4)))
    list(batched.stream(prompts[0], GenerationOptions(4)))

    lengths = [model.count_tokens(prompt) for prompt in prompts]
    print(f"{model.name}, {given.threads} threads, prompts of {statistics.mean(lengths):.0f} tokens, at most")
    print(f"{given.max_new_tokens} new tokens, {given.questions} questions a user, {given.places} places\n")
    print("| users | way | tokens/s | ratio | first word p50 s | p95 s | answer p50 s | same |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for users in given.users:
        asked = [prompts[user::users][: given.questions] for user in range(users)]
        before = None
        for way, asks in (("one at a time", single), ("together", batched)):
            answers, wall_s = ask_all(asks, asked, options)
            tokens = sum(len(model.tokenizer(answer.text)["input_ids"]) for answer in answers)
            rate = tokens / wall_s
            first = sorted(answer.first_s for answer in answers)
            same = 1.0
            if before:
                same = statistics.mean(a.text == b.text for a, b in zip(answers, before[1], strict=True))
            print(
                f"| {users} | {way} | {rate:.1f} | {rate / before[0] if before else 1:.2f} |"
                f" {statistics.median(first):.2f} | {first[int(0.95 * (len(first) - 1) + 0.5)]:.2f} |"
                f" {statistics.median(answer.total_s for answer in answers):.2f} | {same:.0%} |",
                flush=True,
            )
            before = rate, answers


def ask_all(
    model: LocalModel, asked: Sequence[Sequence[Sequence[Message]]], options: GenerationOptions
) -> tuple[list[Answer], float]:
    """The answers to ``asked[user]``, users in order, and the seconds until the last was there."""
    found: list[list[Answer]] = [[] for _ in asked]
    start = threading.Barrier(len(asked) + 1)

    def ask(user: int) -> None:
        start.wait()
        for messages in asked[user]:
            found[user].append(one(model, messages, options, str(user)))

    threads = [threading.Thread(target=ask, args=(user,), daemon=True) for user in range(len(asked))]
    for thread in threads:
        thread.start()
    start.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return [answer for answers in found for answer in answers], time.perf_counter() - started


def one(model: LocalModel, messages: Sequence[Message], options: GenerationOptions, user: str) -> Answer:
    started = time.perf_counter()
    first_s = 0.0
    text = ""
    for piece in model.stream(messages, options, Caller(user)):
        text += piece if isinstance(piece, str) else ""
        if text and not first_s:
            first_s = time.perf_counter() - started
    return Answer(text, first_s, time.perf_counter() - started)


if __name__ == "__main__":
    main()
