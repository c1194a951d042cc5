"""What PyJWT's own suite does and rasp once stumbled over."""

from __future__ import annotations

import jwt
import pytest
from support.made_up import SIGNING_KEY
from support.made_up import jwt as made_up_jwt


def test_options_of_a_wrong_type_fail_in_pyjwt_alone(observe):
    with pytest.raises(TypeError, match="not a mapping"):
        jwt.PyJWS().decode(made_up_jwt(), SIGNING_KEY, ["HS256"], object())
    with pytest.raises(AttributeError, match="no attribute 'get'"):
        jwt.decode(made_up_jwt(), SIGNING_KEY, ["HS256"], object())
    assert not observe.guard.failures
