"""A server that speaks as much of the hub's API as a pull needs, and does what a bad network does."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPOSITORY = "someone/models-GGUF"
FILE = "mine-Q8_0.gguf"
_PIECE = 1 << 16


class FaultyHub(ThreadingHTTPServer):
    """Holds versions of one file by commit. `trouble` says what goes wrong; `ranges` what was asked of the file."""

    daemon_threads = True

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.versions = {"1" * 40: data}
        self.branch = "1" * 40
        self.trouble = ""
        self.times = 0
        """How many requests for the file are troubled; the ones after that are not."""
        self.piece_s = 0.0
        self.gone: set[str] = set()
        self.ranges: list[tuple[str, int]] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def data(self) -> bytes:
        return self.versions[self.branch]

    def publish(self, commit: str, data: bytes) -> None:
        """A new version, which the branch points to from now on."""
        self.versions[commit] = data
        self.branch = commit

    def handle_error(self, *_: object) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith(f"/api/models/{REPOSITORY}"):
            listing = {"id": REPOSITORY, "sha": self.server.branch, "siblings": [{"rfilename": FILE, "size": 1}]}
            return self.answer(200, json.dumps(listing).encode(), {"Content-Type": "application/json"})
        match = re.fullmatch(rf"/{REPOSITORY}/resolve/([^/]+)/(.+)", path)
        if not match:
            return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if self.server.trouble.isdecimal():
            return self.answer(int(self.server.trouble), b"no", {})
        if self.server.trouble == "gated":
            return self.answer(403, b"no", {"X-Error-Code": "GatedRepo"})
        commit = self.server.branch if match[1] == "main" else match[1]
        if commit not in self.server.versions or commit in self.server.gone:
            return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        if match[2] != FILE:
            return self.answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        return self.file(commit, self.server.versions[commit])

    def file(self, commit: str, data: bytes) -> None:
        server = self.server
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        if self.command == "HEAD":
            size = len(data) + (1000 if server.trouble == "claims more" else 0)
            return self.answer(200, b"", {**headers, "Content-Length": str(size)})
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and server.trouble != "no ranges" else 0
        server.ranges.append((commit, int(wanted[1]) if wanted else 0))
        trouble, body = server.trouble, data[start:]
        if trouble in ("drop", "stall", "wrong"):
            server.times -= 1
            if server.times < 0:
                trouble = ""
        if trouble == "wrong":
            body = bytes(len(body))
        if trouble == "sends more":
            body += bytes(3_000_000)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send_response(206 if start else 200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        stop_at = len(body) // 2 if trouble in ("drop", "stall") else len(body)
        for begin in range(0, stop_at, _PIECE):
            self.wfile.write(body[begin : min(begin + _PIECE, stop_at)])
            time.sleep(server.piece_s)
        self.wfile.flush()
        if trouble == "stall":
            time.sleep(5)
        if trouble in ("drop", "stall"):
            self.close_connection = True

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)
