import pytest

from drift.language import language


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "The meeting was moved to Thursday because the room is being painted."),
        ("de", "Die Besprechung wurde auf Donnerstag verlegt, weil der Raum gestrichen wird."),
        ("fr", "La réunion a été déplacée à jeudi parce que la salle est en travaux."),
        ("es", "La reunión se ha movido al jueves porque están pintando la sala."),
        ("it", "La riunione è stata spostata a giovedì perché la sala viene dipinta."),
        ("pt", "A reunião foi adiada para quinta-feira porque a sala está sendo pintada."),
        ("nl", "De vergadering is verplaatst naar donderdag omdat de kamer wordt geschilderd."),
        ("pl", "Spotkanie przeniesiono na czwartek, ponieważ sala jest malowana."),
        ("ru", "Встреча перенесена на четверг, потому что комнату красят."),
        ("uk", "Зустріч перенесено на четвер, бо кімнату фарбують."),  # noqa: RUF001
        ("zh", "会议改到星期四因为房间正在粉刷。"),
        ("ja", "部屋を塗装しているため、会議は木曜日に変更されました。"),
        ("ko", "방을 칠하고 있어서 회의가 목요일로 옮겨졌습니다."),
        ("ar", "تم نقل الاجتماع إلى يوم الخميس لأن الغرفة قيد الطلاء."),
        ("hi", "कमरे की पुताई हो रही है इसलिए बैठक गुरुवार को होगी।"),
    ],
)
def test_a_sentence_has_a_language(code, text):
    assert language(text) == code


NO_WORDS = ["", " \n", "42", "ok", "Paris", "3.14 + 2", "...", "https://example.org/a?b=c", "\\boxed{1}"]


@pytest.mark.parametrize("text", NO_WORDS)
def test_what_is_too_short_or_no_words_has_none(text):
    """Rather None than a guess."""
    assert language(text) is None


def test_code_is_in_no_language():
    code = "def mean(values):\n    total = sum(values)\n    return total / len(values)\n\nprint(mean([1, 2, 3]))"
    assert language(code) is None
    assert language(f"```python\n{code}\n```") is None


def test_words_around_code_decide():
    code = "```python\nfor value in values:\n    print(value)\n```"
    answer = f"Diese Funktion berechnet den Mittelwert:\n{code}\nViel Erfolg damit!"
    assert language(answer) == "de"


def test_prose_that_begins_with_a_word_of_code_is_prose():
    assert language("If you want to keep it (most people do), choose this: the second one.") == "en"


@pytest.mark.parametrize("piece", ["a", " ", "\n", "```", "(", "\ud800", "\0", "a ", "我", "x = 1\n", "a_"])
def test_hostile_texts_are_read_in_bounded_time(piece):
    """A million characters cost what their first few thousand do."""
    assert language(piece * (1_000_000 // len(piece))) in (None, "zh")
