"""Reproducible zips: equal content makes equal zips."""

import hashlib
import io
import zipfile
from pathlib import Path


def zipped(folder: Path) -> tuple[bytes, str]:
    """The folder as a zip, and a file name that is a hash of its content."""
    out = io.BytesIO()
    content = hashlib.sha256()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if not file.is_file():
                continue
            name = file.relative_to(folder).as_posix()
            body = file.read_bytes()
            content.update(f"{len(name)}:{name}{len(body)}:".encode() + body)
            # Every entry has the format's first date, so a rebuilt file makes the same zip.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, body, zipfile.ZIP_DEFLATED)
    return out.getvalue(), f"{content.hexdigest()[:32]}.zip"
