"""The addresses of one server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Addresses:
    """The addresses of a server, all without a slash at the end."""

    #: `https://batch.example.org`
    root: str
    #: The skaha service with its version: `https://batch.example.org/skaha/v1`
    session: str

    @property
    def api(self) -> str:
        """This platform's own API: `https://batch.example.org/api/v1`."""
        return f"{self.root}/api/v1"

    @classmethod
    def of(cls, text: str) -> Addresses:
        """The addresses from any one of them: the root, `…/skaha`, `…/skaha/v1` or `…/api/v1`. Raises ValueError."""
        url = urlsplit(text.strip())
        if url.scheme not in {"http", "https"} or not url.hostname or url.username or url.password:
            shown = re.sub(r"//[^/@]*@", "//…@", text)
            raise ValueError(f"'{shown}' is not a server address; it must look like https://batch.example.org")
        path = url.path.rstrip("/")
        skaha = re.fullmatch(r"(.*?)/skaha(?:/(v\d+(?:\.\d+)*))?", path)
        before = skaha[1] if skaha else path.removesuffix("/api/v1")
        version = (skaha and skaha[2]) or "v1"
        root = f"{url.scheme}://{url.netloc.lower()}{before}"
        return cls(root=root, session=f"{root}/skaha/{version}")
