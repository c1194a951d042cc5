"""The demo's credentials. All are made up: they look like real ones and open nothing outside this folder."""

API_KEYS = {
    "rk_3vTqWn8yLz5KdRb1XcJm7HsPf2Ga": "account-17",
    "rk_9eUoYk4hMx6BtNw2VrDq8ZjCg5Fi": "account-42",
}
"""Which account a caller's key opens."""

SIGNING_KEY = "h7Jd2mQx9vTz4LbRk8WnYc3PsFg6AuEo1XiZ5tBq"
"""What the app signs and verifies bearer tokens with."""

FORGERS_KEY = "k5Rw8ZpVn1Yc6TxGs3HqMb9LdJf2UaEi7OoX4zDr"
"""What somebody else signs with, who does not know the app's key."""
