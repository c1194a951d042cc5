"""Which values count, and which part of them is secret."""

import pytest

from rasp.ledger.strength import PLACEHOLDERS, Strength, is_jwt, is_word, secret_span, strength

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.lZhT5kdAffdX9VUJtFd5v5xvnCZSm66qSzPBssrD9I4"


@pytest.mark.parametrize(
    ("value", "how"),
    [
        ("Kq3vT9mZr7Lw2Xy5", Strength.FULL),
        ("Kq3vT9mZr7Lw2Xy", Strength.SHORT),
        ("ab12cd34", Strength.SHORT),
        ("abcdefgh", Strength.NONE),
        ("12345678", Strength.NONE),
        ("a1b2c3d", Strength.NONE),
        ("with a space in it 123", Strength.NONE),
        ("aaaaaaaabbbbbbbbcccc", Strength.NONE),
        ("internationalization", Strength.NONE),
        ("Internationalization", Strength.NONE),
        ("correct-horse-battery-staple", Strength.FULL),
        ("xkqzvwpjfhbtgmrd", Strength.FULL),
        ("QwErTyUiOpAsDfGh", Strength.FULL),
        ("/var/lib/app/data-2024", Strength.NONE),
        ("./relative/path/to-2024", Strength.NONE),
        ("", Strength.NONE),
        ("Zoë-Schlüssel-2024-lang", Strength.FULL),
    ],
)
def test_a_value_is_as_strong_as_its_shape(value, how):
    assert strength(value) is how


@pytest.mark.parametrize("value", sorted(PLACEHOLDERS))
def test_a_placeholder_is_never_followed(value):
    assert strength(value) is Strength.NONE
    assert strength(value.upper()) is Strength.NONE


@pytest.mark.parametrize("word", ["administration", "responsibilities", "uncharacteristically", "counterproductive"])
def test_a_word_is_a_word(word):
    assert is_word(word)


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        (JWT, JWT.rpartition(".")[2]),
        (JWT.rpartition(".")[0] + ".", ""),
        ("sk_live_Kq3vT9mZr7Lw2Xy5Bn8C", "Kq3vT9mZr7Lw2Xy5Bn8C"),
        ("rk_Kq3vT9mZr7Lw2Xy5Bn8C", "rk_Kq3vT9mZr7Lw2Xy5Bn8C"),
        ("ghp_Kq3vT9mZr7Lw2Xy5Bn8C", "Kq3vT9mZr7Lw2Xy5Bn8C"),
        ("InVzZXIi.ZyXwVu.0123456789abcdefghijklmnopq", "0123456789abcdefghijklmnopq"),
        (".eJwrLkk.ZyXwVu.0123456789abcdefghijklmnopq", "0123456789abcdefghijklmnopq"),
        ("17|" + "0123456789abcdef" * 8, "0123456789abcdef" * 8),
        ("Kq3vT9mZ.r7Lw2Xy5", "Kq3vT9mZ.r7Lw2Xy5"),
        ("4f1c9a2e-77d0-4b8e-9c51-0d6f2ab83e11.Kq3vT9mZr7Lw2Xy5", "Kq3vT9mZr7Lw2Xy5"),
        ("live01:Kq3vT9mZ-r7Lw2Xy5_Bn8C", "Kq3vT9mZ-r7Lw2Xy5_Bn8C"),
        ("shop_0d6f_Kq3vT9mZr7Lw2Xy5Bn8CpQ4Hd", "shop_0d6f_Kq3vT9mZr7Lw2Xy5Bn8CpQ4Hd"),
        ("sk_live_0d6f2ab83e11_Kq3vT9mZr7Lw2Xy5Bn8CpQ4H", "0d6f2ab83e11_Kq3vT9mZr7Lw2Xy5Bn8CpQ4H"),
    ],
)
def test_the_secret_part(value, secret):
    start, end = secret_span(value)
    assert value[start:end] == secret


@pytest.mark.parametrize("value", ["eyJ.eyJ.x", "a.b.c", "eyJhbGciOiJIUzI1NiJ9", JWT + ".more", "ey\udcff.e.x"])
def test_what_only_looks_like_a_jwt_is_none(value):
    assert not is_jwt(value)
