"""The local token issuer: a signing key for each state folder, and tokens signed with it.

The local AWS serves the public key from a public bucket, so the bucket's address is the issuer.
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
# A verifier without a discovery document looks for the keys here. MiniStack caches for a minute that there is no
# document, which happens when a client calls before it is published.
KEYS = ".well-known/jwks.json"
TOKEN_SECONDS = 30 * 24 * 3600


def issuer(port: int) -> str:
    """The `iss` of every local token."""
    return f"http://127.0.0.1:{port}/{BUCKET}"


def key(state: Path) -> rsa.RSAPrivateKey:
    """The signing key in `state`. The first call makes it; only its owner may read it."""
    file = state / "key.pem"
    if not file.exists():
        new_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = new_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        state.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f"key.{os.getpid()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(pem)
        # A link fails if the key exists, so two concurrent first calls both use the key of the first to get here.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, file)
        temporary.unlink()
    loaded = serialization.load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded


def token(state: Path, port: int, workspace: str, user: str, **claims: object) -> str:
    """A token for this user of this workspace, valid for 30 days. `claims` adds or replaces claims; None removes one."""
    now = int(time.time())
    payload: dict[str, object] = {
        "iss": issuer(port),
        "aud": AUDIENCE,
        "sub": user,
        os.environ.get("WORKSPACE_CLAIM") or "workspace_id": workspace,
        # A second early, so that no verifier sees a token from the future.
        "iat": now - 1,
        "exp": now + TOKEN_SECONDS,
    }
    payload |= claims
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key(state), algorithm="RS256", headers={"kid": KEY_ID})


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
    # A new bucket is closed to the public, as on AWS.
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(anyone_may_read))
    for name, document in documents.items():
        s3.put_object(Bucket=BUCKET, Key=name, Body=json.dumps(document).encode(), ContentType="application/json")
