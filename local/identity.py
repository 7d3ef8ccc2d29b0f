"""Who may call the local stack: a key of its own, made once, and tokens signed with it.

The public half is served by the local AWS as objects of a public bucket, which makes the bucket's address the issuer.
"""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "outlive"
BUCKET = "outlive-issuer"
KEY_ID = "local"
# Where a verifier looks if it finds no discovery document. MiniStack remembers for a minute that it found none, as when
# a client calls before all of this is in place.
KEYS = ".well-known/jwks.json"
TOKEN_SECONDS = 30 * 24 * 3600


def issuer(port: int) -> str:
    """The `iss` of every local token."""
    return f"http://127.0.0.1:{port}/{BUCKET}"


def key(state: Path) -> rsa.RSAPrivateKey:
    """The signing key in `state`, made on the first call and readable for its owner alone."""
    file = state / "key.pem"
    if not file.exists():
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        state.mkdir(parents=True, exist_ok=True)
        half = file.with_name(f"key.{os.getpid()}")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(pem)
        # Linked, not renamed: of two first calls at once, one key wins and both go on with it.
        with contextlib.suppress(FileExistsError):
            os.link(half, file)
        half.unlink()
    loaded = serialization.load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded


def token(state: Path, port: int, workspace: str, user: str, **claims: object) -> str:
    """A token for this user of this workspace, good for 30 days. `claims` replace or add; None leaves one out."""
    now = int(time.time())
    said: dict[str, object] = {
        "iss": issuer(port),
        "aud": AUDIENCE,
        "sub": user,
        os.environ.get("WORKSPACE_CLAIM") or "workspace_id": workspace,
        # A second early: a clock read twice must not make a token of the future.
        "iat": now - 1,
        "exp": now + TOKEN_SECONDS,
    }
    said |= claims
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(kept, key(state), algorithm="RS256", headers={"kid": KEY_ID})


def publish(s3: Any, state: Path, port: int) -> None:
    """Serve the discovery document and the public key at the issuer's address."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key(state).public_key()))
    documents = {
        ".well-known/openid-configuration": {"issuer": issuer(port), "jwks_uri": f"{issuer(port)}/{KEYS}"},
        KEYS: {"keys": [public | {"kid": KEY_ID, "use": "sig", "alg": "RS256"}]},
    }
    s3.create_bucket(Bucket=BUCKET)
    anyone_may_read = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
        ],
    }
    # Closed to the public unless said otherwise, as on AWS.
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(anyone_may_read))
    for name, document in documents.items():
        s3.put_object(Bucket=BUCKET, Key=name, Body=json.dumps(document).encode(), ContentType="application/json")
