"""SQLAlchemy's ORM writes a presented key; the page that keeps its digest, and the check against it, are fine."""

import hashlib

import sqlalchemy as sa
from flask import Flask, request
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

KEY = "al7Jk2Lm9Qw4Er6Ty8Ui3Zx1"
SECRETS = [KEY]


class Base(DeclarativeBase):
    pass


class Caller(Base):
    __tablename__ = "callers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    last_key: Mapped[str | None]
    digest: Mapped[str | None]


app = Flask(__name__)
engine = sa.create_engine("sqlite:///callers.sqlite")
Base.metadata.create_all(engine)


def digest():
    return hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


@app.post("/kept")
def kept():
    with Session(engine) as session:
        session.add(Caller(name="ann", last_key=request.headers["X-API-Key"]))
        session.commit()  # expect: raw-token-stored
    return "ok"


@app.post("/enrol")
def enrol():
    with Session(engine) as session:
        session.add(Caller(name="bob", digest=digest()))
        session.commit()
    return "ok"


@app.get("/checked")
def checked():
    with Session(engine) as session:
        return {"name": session.scalars(sa.select(Caller).where(Caller.digest == digest())).one().name}


@app.get("/looked_up")
def looked_up():
    wanted = sa.select(Caller).where(Caller.last_key == request.headers["X-API-Key"])
    with Session(engine) as session:
        return {"name": session.scalars(wanted).one().name}  # note: raw-token-stored


if __name__ == "__main__":
    client = app.test_client()
    for path in ("kept", "enrol"):
        assert client.post(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200
    for path in ("checked", "looked_up"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200
