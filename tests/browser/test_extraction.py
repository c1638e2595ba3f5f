"""A person at tab 2: headless Chromium on the real app, one resume and many; screenshots in artifacts/."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import Browser, Page, expect

from src.files import csv_text
from tests.browser.conftest import PATIENCE_MS, choose_tab
from tests.conftest import ARTIFACTS
from tests.ingest import samples

pytestmark = [pytest.mark.browser, pytest.mark.model]
RESUME = "王建国，男，汉族，工商管理硕士，现任宏远科技股份有限公司董事长。"
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><b>粗体</b>"
# The last one is long, so that there is time to press stop.
TABLE = [
    ["id", "简历", "备注"],
    ["007", RESUME, "=1+1"],
    ["", "", "空的"],
    ["x", f"{HOSTILE}李雷，总经理。" * 8, "甲"],
]


@pytest.fixture(autouse=True)
def tab(page: Page) -> None:
    choose_tab(page, "抽取")


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"extraction-{name}.png", full_page=True)


def saved(page: Page, button: str) -> tuple[str, bytes]:
    """(name, content) of what a button downloads."""
    with page.expect_download() as download:
        page.locator(f"#{button}").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def upload(page: Page, elem_id: str, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(f"button#{elem_id}, #{elem_id} button").first.click()
    chooser.value.set_files(path)


def fill(page: Page, text: str) -> None:
    page.locator("#resume-input textarea").fill(text)


def extracted(page: Page) -> None:
    """Press the button, and wait until it is back."""
    page.locator("#extract-run").click()
    expect(page.locator("#extract-status")).to_contain_text("用时", timeout=PATIENCE_MS)
    expect(page.locator("#extract-run")).to_be_visible()


def choose_batch(page: Page) -> None:
    page.get_by_role("tab", name="批量", exact=True).click()


def without_adapter(page: Page) -> None:
    """The base model takes long enough to be stopped."""
    page.get_by_role("button", name="文件格式和选项").click()
    page.locator("#batch-adapter input").uncheck()


def written(path: Path, rows: list[list[str]]) -> Path:
    path.write_bytes(samples.workbook({"名单": rows}) if path.suffix == ".xlsx" else csv_text(rows).encode())
    return path


def test_an_uploaded_resume_is_extracted_and_saved(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "简历.docx"
    path.write_bytes(samples.word(lambda document: document.add_paragraph(f"{HOSTILE}{RESUME}")))
    upload(page, "resume-upload", path)
    # The first file waits until the process that parses it has started.
    box = page.locator("#resume-input textarea")
    expect(box).to_have_value(f"{HOSTILE}{RESUME}", timeout=PATIENCE_MS)
    expect(page.locator("#resume-uploaded")).to_contain_text("已读入 简历.docx")
    fill(page, f"{HOSTILE}{RESUME}（改过）")
    extracted(page)
    expect(page.locator("#extract-text")).to_contain_text("（改过）")
    expect(page.locator("#extract-text")).to_contain_text("<b>粗体</b>")
    expect(page.locator("#extract-table")).to_contain_text("王建国")
    keep(page, "single")
    name, data = saved(page, "extract-csv")
    assert name == "extraction.csv"
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert {"label": "姓名", "text": "王建国"} in [{k: row[k] for k in ("label", "text")} for row in rows]
    page.get_by_role("button", name="给研究者").click()
    expect(page.locator("#extract-spans")).to_contain_text("概率")
    expect(page.locator("#extract-spans")).to_contain_text("王建国")
    expect(page.locator("#extract-json")).to_contain_text("timings_ms")
    name, data = saved(page, "extract-download")
    assert name == "extraction.json"
    result = json.loads(data)
    assert [span["text"] for span in result["spans"]] == [row["text"].removeprefix("'") for row in rows]
    assert all(result["text"][int(row["start"]) : int(row["end"])] for row in rows)
    assert page.title() == "源知 YuanZhi"
    keep(page, "details")


def test_buttons_wait_for_a_text_and_an_edited_one_marks_the_result(page: Page) -> None:
    expect(page.locator("#extract-run")).to_be_disabled()
    for absent in ("extract-stop", "extract-csv"):
        expect(page.locator(f"#{absent}")).to_have_count(0)
    page.get_by_role("button", name="林步屿").click()
    expect(page.locator("#extract-run")).to_be_enabled()
    extracted(page)
    expect(page.locator("#extract-csv")).to_be_enabled()
    outdated = page.locator("#extract-status .yz-outdated")
    expect(outdated).to_have_count(0)
    before = page.locator("#resume-input textarea").input_value()
    fill(page, before + "另一份")
    expect(outdated).to_have_text("文字改过了，下面是改动之前的结果。")
    fill(page, before)
    expect(page.locator("#extract-status")).to_contain_text("用时")
    fill(page, "")
    expect(page.locator("#extract-run")).to_be_disabled()


def test_a_stop_keeps_what_was_found(page: Page) -> None:
    page.get_by_role("button", name="给研究者").click()
    page.locator("#extract-adapter input").uncheck()
    fill(page, RESUME * 8)
    page.locator("#extract-run").click()
    page.locator("#extract-stop").click()
    expect(page.locator("#extract-status")).to_contain_text("已停止", timeout=PATIENCE_MS)
    expect(page.locator("#extract-run")).to_be_enabled()
    expect(page.locator("#extract-stop")).to_have_count(0)
    # The same press again, on something else: a new result takes the place of the stopped one.
    page.locator("#extract-adapter input").check()
    fill(page, RESUME)
    extracted(page)


def test_a_file_that_cannot_be_read_is_said_in_chinese(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "简历.pdf"
    path.write_bytes(samples.pdf([["秘密。"]], encrypt="secret"))
    upload(page, "resume-upload", path)
    expect(page.get_by_text("密码", exact=False).first).to_be_visible()
    expect(page.locator("#resume-uploaded")).to_contain_text("没有读入 简历.pdf")
    expect(page.get_by_text("Error", exact=True)).to_have_count(0)


def test_base_and_adapter_side_by_side(page: Page) -> None:
    fill(page, RESUME)
    page.get_by_role("button", name="给研究者").click()
    page.locator("#extract-compare").click()
    expect(page.locator("#compare-status")).to_contain_text("适配器用时", timeout=PATIENCE_MS)
    for side in ("base", "adapter"):
        expect(page.locator(f"#compare-{side}")).to_contain_text("王建国")
    expect(page.locator("#compare-difference")).to_contain_text("两者都有")
    keep(page, "compare")
    fill(page, RESUME + "另一份")
    expect(page.locator("#compare-status .yz-outdated")).to_be_visible()


@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
def test_a_table_is_stopped_gone_on_with_and_saved(page: Page, tmp_path: Path, kind: str) -> None:
    choose_batch(page)
    for button in ("batch-start", "batch-download"):
        expect(page.locator(f"#{button}")).to_be_disabled()
    upload(page, "batch-upload", written(tmp_path / f"名单{kind}", TABLE))
    status = page.locator("#batch-status")
    expect(status).to_contain_text(f"名单{kind}：3 行")
    without_adapter(page)
    page.locator("#batch-start").click()
    expect(status).to_contain_text("正在抽取")
    page.locator("#batch-stop").click()
    expect(status).to_contain_text("已停止")
    expect(page.locator("#batch-stop")).to_have_count(0)
    page.locator("#batch-start").click()
    expect(status).to_contain_text("已完成 3 / 3 行，其中 1 行不能用", timeout=PATIENCE_MS)
    expect(page.locator("#batch-start")).to_be_disabled()
    expect(page.locator("#batch-preview")).to_contain_text("王建国")
    expect(page.locator("#batch-preview")).to_contain_text("007")
    expect(page.get_by_text("processing", exact=False)).to_have_count(0)
    page.wait_for_timeout(300)
    keep(page, f"batch-{kind[1:]}")
    name, data = saved(page, "batch-download")
    assert name == f"名单_抽取{kind}"
    if kind == ".csv":
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
        assert [row[:3] for row in rows] == TABLE
    else:
        sheet = openpyxl.load_workbook(io.BytesIO(data)).active
        rows = [["" if cell is None else cell for cell in row] for row in sheet.iter_rows(values_only=True)]
    assert rows[0][-1] == "错误"
    assert rows[1][rows[0].index("姓名")] == "王建国"
    assert [bool(row[-1]) for row in rows[1:]] == [False, True, False]
    assert page.title() == "源知 YuanZhi"


def test_fields_of_ones_own_are_chosen_typed_and_found(page: Page) -> None:
    fill(page, "设备采购合同\n甲方：东山电子有限公司\n双方于2023年6月1日签订本合同，总价为三十八万元。")
    page.get_by_role("button", name="自定字段").click()
    page.locator("#extract-sets").get_by_text("合同", exact=True).click()
    expect(page.locator("#extract-fields")).to_contain_text("违约金")
    box = page.locator("#extract-fields input")
    box.fill("见证人")
    box.press("Enter")
    expect(page.locator("#extract-fields")).to_contain_text("见证人")
    extracted(page)
    table = page.locator("#extract-table")
    for text in ("东山电子有限公司", "三十八万元", "见证人"):
        expect(table).to_contain_text(text)
    expect(table).to_contain_text("没有找到")
    expect(page.locator("#extract-text")).not_to_contain_text("教育背景")
    keep(page, "own-fields")
    fill(page, RESUME)
    page.locator("#extract-fields").get_by_role("button", name="Clear").or_(
        page.locator("#extract-fields .remove-all")
    ).first.click()
    extracted(page)
    expect(table).to_contain_text("王建国")
    expect(page.locator("#extract-text")).to_contain_text("教育背景")


def test_resume_files_are_a_row_each(page: Page, tmp_path: Path) -> None:
    choose_batch(page)
    (tmp_path / "王建国.docx").write_bytes(samples.word(lambda document: document.add_paragraph(RESUME)))
    (tmp_path / "李雷.txt").write_text("姓名：李雷\n学历：本科", "utf-8")
    (tmp_path / "坏.pdf").write_bytes(b"%PDF-1.4 broken")
    with page.expect_file_chooser() as chooser:
        page.locator("#batch-upload button").first.click()
    chooser.value.set_files([tmp_path / name for name in ("王建国.docx", "李雷.txt", "坏.pdf")])
    status = page.locator("#batch-status")
    expect(status).to_contain_text("3 行，可以开始了", timeout=PATIENCE_MS)
    expect(status).to_contain_text("其中 1 个文件没有读出来")
    page.locator("#batch-start").click()
    expect(status).to_contain_text("已完成 3 / 3 行", timeout=PATIENCE_MS)
    expect(page.locator("#batch-preview")).to_contain_text("李雷")
    keep(page, "batch-files")
    name, data = saved(page, "batch-download")
    assert name == "简历_抽取.xlsx"
    rows = list(openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True))
    assert [row[0] for row in rows] == ["文件", "王建国.docx", "李雷.txt", "坏.pdf"]
    assert rows[2][rows[0].index("教育背景")] == "本科"


SURNAMES, GIVEN = "赵钱孙李周吴郑王冯陈", ("子涵", "思远", "晓彤")
DEGREES, MAJORS = ("大专", "本科", "硕士"), ("会计学", "土木工程", "护理学", "软件工程", "法学")


def resume(number: int) -> dict[str, str]:
    """What stands in one of thirty files."""
    return {
        "姓名": SURNAMES[number % 10] + GIVEN[number // 10],
        "性别": "男女"[number % 2],
        "民族": ("汉族", "回族", "壮族")[number % 3],
        "学历": DEGREES[number % 3],
        "专业": MAJORS[number % 5],
        "毕业院校": f"{'江南海西北'[number % 5]}山大学",
        "联系电话": f"1380001{number:04}",
    }


def resume_file(folder: Path, number: int) -> Path:
    """A Word form, a PDF of lines or a workbook of pairs, as people send them."""
    values = resume(number)
    path = folder / f"{values['姓名']}的简历{('.docx', '.pdf', '.xlsx')[number % 3]}"

    def form(document: Any) -> None:
        document.add_heading("应聘登记表")
        table = document.add_table(rows=0, cols=4)
        pairs = list(values.items())
        for left, right in zip(pairs[::2], [*pairs[1::2], ("备注", "无")], strict=True):
            for cell, text in zip(table.add_row().cells, (*left, *right), strict=True):
                cell.text = text

    if path.suffix == ".docx":
        path.write_bytes(samples.word(form))
    elif path.suffix == ".pdf":
        path.write_bytes(samples.pdf([["个人简历", *(f"{name}：{value}" for name, value in values.items())]]))
    else:
        path.write_bytes(samples.workbook({"简历": [list(pair) for pair in values.items()]}))
    return path


def test_thirty_resume_files_become_a_spreadsheet(page: Page, tmp_path: Path) -> None:
    """Stopped half way: what is done is kept and can be saved."""
    choose_batch(page)
    files = [resume_file(tmp_path, number) for number in range(30)]
    with page.expect_file_chooser() as chooser:
        page.locator("#batch-upload button").first.click()
    chooser.value.set_files(files)
    status = page.locator("#batch-status")
    expect(status).to_contain_text("30 行，可以开始了", timeout=4 * PATIENCE_MS)
    page.locator("#batch-start").click()
    expect(status).to_contain_text(re.compile(r"已完成 [1-9]\d* / 30 行"), timeout=4 * PATIENCE_MS)
    page.locator("#batch-stop").click()
    expect(page.locator("#batch-stop")).to_have_count(0, timeout=PATIENCE_MS)
    half = saved_rows(page)
    assert len(half) == 31
    assert half[1][half[0].index("姓名")] == resume(0)["姓名"]
    if page.locator("#batch-start").is_enabled():
        page.locator("#batch-start").click()
    expect(status).to_contain_text("全部做完", timeout=8 * PATIENCE_MS)
    page.wait_for_timeout(300)
    keep(page, "thirty")
    header, *rows = saved_rows(page)
    assert len(rows) == 30
    columns = {
        "姓名": "姓名",
        "性别": "性别",
        "种族": "民族",
        "教育背景": "学历",
        "专业": "专业",
        "组织名": "毕业院校",
        "电话": "联系电话",
    }
    wrong = [
        (column, row[0], row[header.index(column)])
        for number, row in enumerate(rows)
        for column, name in columns.items()
        if row[header.index(column)] != resume(number)[name]
    ]
    assert wrong == []
    assert not any(row[-1] for row in rows)
    (ARTIFACTS / "thirty.xlsx").write_bytes(saved(page, "batch-download")[1])


def saved_rows(page: Page) -> list[list[str]]:
    _, data = saved(page, "batch-download")
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    return [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]


def test_a_column_is_chosen_and_asked_for_fields_of_ones_own(page: Page, tmp_path: Path) -> None:
    choose_batch(page)
    table = [["编号", "备忘", "来信"], ["1", "甲", "甲方：东山公司"], ["2", "乙", "甲方：西岭公司"]]
    upload(page, "batch-upload", written(tmp_path / "来信.csv", table))
    status = page.locator("#batch-status")
    expect(status).to_contain_text("请在下面选择", timeout=PATIENCE_MS)
    expect(page.locator("#batch-start")).to_be_disabled()
    expect(page.locator("#batch-preview")).to_contain_text("东山公司")
    page.locator("#batch-column input").click()
    page.get_by_role("option", name="来信").click()
    expect(status).to_contain_text("取自“来信”一列")
    page.locator("#batch-own").get_by_role("button", name="自定字段").click()
    box = page.locator("#batch-fields input")
    box.fill("甲方")
    box.press("Enter")
    page.locator("#batch-start").click()
    expect(status).to_contain_text("已完成 2 / 2 行", timeout=PATIENCE_MS)
    expect(page.locator("#batch-preview")).to_contain_text("西岭公司")
    keep(page, "batch-column")
    page.locator("#batch-format input").click()
    page.get_by_role("option", name="JSON").click()
    name, data = saved(page, "batch-download")
    assert name == "来信_抽取.json"
    assert [row["entities"]["甲方"] for row in json.loads(data)] == [["东山公司"], ["西岭公司"]]


def test_each_person_of_a_text_has_a_card(page: Page) -> None:
    fill(
        page,
        "张启明，男，汉族，本科学历，现任东岭矿业有限公司董事长。李秋霞，女，回族，硕士学历，现任东岭矿业有限公司财务总监。",
    )
    extracted(page)
    cards = page.locator("#extract-people .yz-person")
    expect(cards).to_have_count(2)
    expect(cards.nth(1)).to_contain_text("财务总监")
    keep(page, "people")
    _, data = saved(page, "extract-xlsx")
    header, *rows = openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True)
    assert [row[header.index("姓名")] for row in rows] == ["张启明", "李秋霞"]
    fill(page, RESUME)
    extracted(page)
    expect(cards).to_have_count(1)


def test_a_batch_is_of_its_visitor_only(page: Page, browser: Browser, address: str, tmp_path: Path) -> None:
    choose_batch(page)
    upload(page, "batch-upload", written(tmp_path / "名单.csv", TABLE))
    expect(page.locator("#batch-status")).to_contain_text("3 行")
    other = browser.new_page(locale="zh-CN")
    other.goto(address)
    choose_tab(other, "抽取")
    choose_batch(other)
    expect(other.locator("#batch-status")).to_contain_text("上传一个文件")
    for button in ("batch-start", "batch-download"):
        expect(other.locator(f"#{button}")).to_be_disabled()
    other.close()


def test_a_table_without_resumes_is_refused_and_another_can_be_dropped(page: Page, tmp_path: Path) -> None:
    choose_batch(page)
    upload(page, "batch-upload", written(tmp_path / "名单.csv", [["姓名", "电话"]]))
    expect(page.get_by_text("只有列名", exact=False).first).to_be_visible()
    upload(page, "batch-upload", written(tmp_path / "名单二.csv", TABLE))
    expect(page.locator("#batch-status")).to_contain_text("名单二.csv：3 行")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(page: Page, address: str, theme: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path, extract, tabs in (("", "抽取", ("单份", "批量")), ("en", "Extract", ("One resume", "Batch"))):
        page.goto(f"{address}{path}?__theme={theme}")
        choose_tab(page, extract)
        for number, tab in enumerate(tabs):
            page.get_by_role("tab", name=tab, exact=True).click()
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), tab
            keep(page, f"phone-{path or 'zh'}-{theme}-{number}")
