"""A hold taken outside any request and never released is noted when the process ends."""

import rasp

KEY = "hx7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

if __name__ == "__main__":
    rasp.hold(KEY, "startup")  # note: never-released
