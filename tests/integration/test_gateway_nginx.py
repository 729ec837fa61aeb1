"""The lines for nginx in docs/gateway.md, run with Debian's nginx before a real gateway."""

import re
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from support import paths, wait
from support.process import Program
from support.waybill import Gateway

DOCUMENT = (paths.ROOT / "docs" / "gateway.md").read_text()
LINES = re.search(r"```nginx\n(upstream.*?)```", DOCUMENT, re.S).group(1)
OPTIONS = re.search(r"^waybill-gateway (--trusted-proxies=)'([^']+)'$", DOCUMENT, re.M).groups()
WRONG = "ZZZZ-ZZZZ-ZZZZ"


@pytest.fixture
def front(broker, tmp_path):
    """nginx as documented, but for its addresses, files and certificate; .gateway is behind it."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed: deploy/packages bench")
    gateway = Gateway(broker.streams, tmp_path / "logs" / "gateway.log",
                      arguments=["".join(OPTIONS), "--keepalive=1s", "--wrong-codes-block=2"])
    port = wait.free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-days",
                    "1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"],
                   check=True, capture_output=True)
    lines = LINES.replace("server 127.0.0.1:7400;", f"server 127.0.0.1:{gateway.port};")
    lines = lines.replace("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;")
    lines = lines.replace("    listen [::]:443 ssl http2;\n",
                          f"    ssl_certificate {tmp_path}/certificate.pem;\n"
                          f"    ssl_certificate_key {tmp_path}/key.pem;\n")
    lines = lines.replace("/var/log/nginx/", f"{tmp_path}/")
    assert "7400" not in lines and "443" not in lines and "/var/" not in lines
    temporary = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off;\npid {tmp_path}/nginx.pid;\nuser root;\nworker_processes 1;\n"
        f"events {{}}\nhttp {{\n{temporary}{lines}}}\n")
    gateway.start()
    nginx = Program(["nginx", "-e", tmp_path / "nginx.log", "-c", tmp_path / "nginx.conf"],
                    tmp_path / "logs" / "nginx.log").start()
    nginx.port, nginx.gateway, nginx.folder = port, gateway, tmp_path
    wait.until(lambda: ask(nginx, "/")[0] == 200, 20, "nginx")
    yield nginx
    nginx.process.send_signal(signal.SIGTERM)
    nginx.wait()
    gateway.close()


def connect(front, source="127.0.0.1"):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    line = socket.create_connection(("127.0.0.1", front.port), 10, (source, 0))
    return context.wrap_socket(line)


def ask(front, path, source="127.0.0.1", headers=""):
    """Status and the whole answer."""
    try:
        with connect(front, source) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"
                         .encode())
            heard = b""
            while part := line.recv(65536):
                heard += part
    except OSError:
        return None, b""
    return int(heard.split(b" ")[1]), heard


def publish(publisher, event, stage):
    return publisher.publish(event("A-1", stage=stage), codes=True)[0]


def test_pages_streams_and_who_asks(front, publisher, event):
    session = publisher()
    code = publish(session, event, "RECEIVED").code
    status, page = ask(front, f"/c/A-1/{code}")
    assert status == 200 and b"Strict-Transport-Security: max-age=" in page
    assert b"Content-Security-Policy: default-src 'none'" in page
    assert b"Referrer-Policy: no-referrer" in page
    assert ask(front, "/metrics")[0] == ask(front, "/readyz")[0] == 404
    with connect(front) as line:
        line.sendall(f"GET /c/A-1/{code}/events HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        heard = b""

        def hear(words):
            nonlocal heard
            while words not in heard:
                part = line.recv(65536)
                assert part, heard
                heard += part
        hear(b"event: case")
        offset = publish(session, event, "ACCEPTED").offset
        hear(f"id: {offset}\nevent: node".encode())
        hear(b"\n:\n")
        front.gateway.stop()
        hear(b'event: end\ndata: {"reason":"server_stopped"}')
    front.gateway.start()
    # Each client is known by its own address, whatever it says itself.
    guesser, other = "127.0.5.1", "127.0.6.1"
    forged = "X-Forwarded-For: 203.0.{}.1\r\nForwarded: for=203.0.{}.1\r\n"
    said = [ask(front, f"/c/B-{n}/{WRONG}", guesser, forged.format(n, n))[0] for n in range(8)]
    assert said[:4] == [404] * 4 and said[-1] == 429
    assert ask(front, f"/c/A-1/{code}", guesser)[0] == 429
    assert ask(front, f"/c/A-1/{code}", other)[0] == 200
    logs = "".join(path.read_text(errors="replace") for path in front.folder.glob("*.log"))
    logs += front.text() + front.gateway.text()
    assert "GET" in logs
    assert code not in logs and WRONG not in logs and "/c/" not in logs
