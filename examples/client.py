"""Every endpoint of a running 源知, called with gradio_client: python examples/client.py [ADDRESS]"""

import sys
from pathlib import Path

from gradio_client import Client, handle_file

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860"
NOTES = Path(__file__).parent / "documents" / "notes.txt"


def main() -> None:
    """Ask, compare, extract, search, add a document."""
    client = Client(ADDRESS, verbose=False)

    print("== /chat（边生成边返回）")
    printed = 0
    for update in client.submit("广州大学的办学历史可以追溯到哪一年？", api_name="/chat"):
        print(update["answer"][printed:], end="", flush=True)
        printed = len(update["answer"])
    print()
    for hit in update["hits"]:
        print(f"  [{hit['rank']}] {hit['score']:.2f} {hit['text'][:40]}")

    print("== /chat 追问")
    history = [
        {"role": "user", "content": "广州大学的办学历史可以追溯到哪一年？"},
        {"role": "assistant", "content": update["answer"]},
    ]
    follow_up = client.predict("它在哪个区？", history, api_name="/chat")
    print(f"检索的问题：{follow_up['question']}\n{follow_up['answer']}")

    print("== /compare")
    both = client.predict("介绍一下广州大学", api_name="/compare")
    print(f"不用知识库：{both['without'][:80]}\n用知识库：{both['with']['answer'][:80]}")

    print("== /extract")
    result = client.predict("张明远，男，汉族，工商管理硕士，现任星河科技公司董事长。", api_name="/extract")
    print({label: values for label, values in result["entities"].items() if values})

    print("== /add_documents 与 /search")
    print(client.predict([handle_file(str(NOTES))], api_name="/add_documents"))
    for hit in client.predict("社团什么时候活动", top_k=2, api_name="/search")["hits"]:
        print(f"  [{hit['rank']}] {hit['source']} {hit['text'][:40]}")

    print("== /index_stats")
    print(client.predict(api_name="/index_stats"))


if __name__ == "__main__":
    main()
