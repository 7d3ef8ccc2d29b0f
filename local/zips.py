"""Zips that are equal when their content is."""

import hashlib
import io
import zipfile
from pathlib import Path


def zipped(folder: Path) -> tuple[bytes, str]:
    """The folder as a zip, and a name for exactly this content."""
    out = io.BytesIO()
    content = hashlib.sha256()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if not file.is_file():
                continue
            name = file.relative_to(folder).as_posix()
            body = file.read_bytes()
            content.update(f"{len(name)}:{name}{len(body)}:".encode() + body)
            # No date but the format's first one: a rebuilt file is the same file.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, body, zipfile.ZIP_DEFLATED)
    return out.getvalue(), f"{content.hexdigest()[:32]}.zip"
