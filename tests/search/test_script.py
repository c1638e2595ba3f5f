from src.search.script import simplified, simplified_table
from src.search.terms import matched_terms, query_terms, text_terms


def test_both_scripts_become_one():
    assert simplified("臺灣高速鐵路，後來") == "台湾高速铁路，后来"
    assert simplified("臺灣abc é🐑") == "台湾abc é🐑"
    assert simplified(simplified("鐘錶")) == simplified("鐘錶")


def test_every_character_stays_one_character():
    text = "".join(map(chr, simplified_table()))
    assert len(simplified(text)) == len(text) > 4000


def test_terms_are_the_same_in_both_scripts():
    assert text_terms("臺灣鐵路") == text_terms("台湾铁路")
    assert (
        query_terms("臺灣鐵路在哪裡？")
        == query_terms("台湾铁路在哪里？")
        == list(dict.fromkeys(text_terms("台湾铁路")))
    )


def test_matched_terms_are_as_written():
    assert matched_terms("台湾铁路", "從臺灣鐵路出發") == ["臺灣鐵路"]
    assert matched_terms("臺灣鐵路", "从台湾铁路出发") == ["台湾铁路"]
