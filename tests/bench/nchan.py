"""The peer of the gateway: nginx with Nchan, one worker, and nothing that slows it down."""

import shutil
from pathlib import Path

from bench.context import Skip
from support import wait
from support.process import Program

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

# More messages are kept than the bench publishes ahead, so that nobody misses one.
CONFIGURATION = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 100000000;
    nchan_shared_memory_size 512M;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location /pub {{
            nchan_publisher;
            nchan_channel_id $arg_id;
            nchan_message_buffer_length 4096;
        }}
        location /sub {{
            nchan_subscriber eventsource;
            nchan_channel_id $arg_id;
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"""


def nginx():
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def absence():
    """Why this peer cannot be measured here, or None."""
    if nginx() is None or not MODULE.exists():
        return "nginx with Nchan is not installed (deploy/packages bench)"
    return None


class Nchan(Program):
    """Its files are below the run's directory."""

    def __init__(self, context, followers):
        if absence():
            raise Skip(absence())
        directory = context.directory / f"nchan-{wait.free_port()}"
        directory.mkdir()
        self.port = wait.free_port()
        self.address = f"127.0.0.1:{self.port}"
        configuration = directory / "nginx.conf"
        connections = followers * 5 // 4 + 256  # it closes some when a sixteenth is left
        configuration.write_text(CONFIGURATION.format(
            module=MODULE, directory=directory, port=self.port, connections=connections,
            files=connections + 256))
        super().__init__([nginx(), "-p", directory, "-e", directory / "error.log", "-c",
                          configuration], context.log())

    def start(self):
        super().start()
        wait.until(self._answers, 15, "nginx")
        return self

    def _answers(self):
        assert self.running(), f"nginx ended: {self.text()[-500:]}"
        return wait.listens(self.port)

    def worker(self):
        """The process that serves the connections."""
        return wait.until(self._worker, 15, "nginx's worker")

    def _worker(self):
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        titles = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        return next((pid for pid, title in titles.items()
                     if title.startswith(b"nginx: worker")), None)

    def kill(self):
        """Its worker would outlive a master that is killed."""
        if self.running():
            self.process.terminate()
            self.process.wait(15)
