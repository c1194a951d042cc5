"""Serves the shop as no server of its own does: under Tornado, gevent's pywsgi, or inside a host such as mod_wsgi."""

import sys


def tornado_host():
    import asyncio

    from shop import app
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.wsgi import WSGIContainer

    async def serve():
        server = HTTPServer(WSGIContainer(app))
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        ready(sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(serve())


def pywsgi_host():
    import signal

    from gevent import monkey

    monkey.patch_all()
    from gevent import signal_handler
    from gevent.pywsgi import WSGIServer
    from shop import app

    server = WSGIServer(("127.0.0.1", 0), app)
    server.start()
    signal_handler(signal.SIGTERM, server.stop)
    ready(server.server_port)
    server.serve_forever()


def embedded_host():
    """Loads a script by its path, under a name of its own, from another folder, and calls what it names application."""
    import importlib.util
    import os
    from http.server import BaseHTTPRequestHandler, HTTPServer

    place = os.path.abspath("embedded.py")
    os.chdir("/")
    spec = importlib.util.spec_from_file_location("_mod_wsgi_4f1c", place)
    module = sys.modules["_mod_wsgi_4f1c"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            environ = {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": self.path,
                "QUERY_STRING": "",
                "SERVER_NAME": "127.0.0.1",
                "SERVER_PORT": "80",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "wsgi.version": (1, 0),
                "wsgi.url_scheme": "http",
                "wsgi.input": self.rfile,
                "wsgi.errors": sys.stderr,
                "wsgi.multithread": False,
                "wsgi.multiprocess": True,
                "wsgi.run_once": False,
                "mod_wsgi.version": (5, 0, 0),
            }
            for name, value in self.headers.items():
                environ["HTTP_" + name.upper().replace("-", "_")] = value
            self.body = module.application(environ, self.begin)
            try:
                for part in self.body:
                    self.wfile.write(part)
            finally:
                if hasattr(self.body, "close"):
                    self.body.close()

        def begin(self, status, headers, exc_info=None):
            self.send_response(int(status[:3]))
            for header in headers:
                self.send_header(*header)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    ready(server.server_port)
    server.serve_forever()


def ready(port):
    print(f"Serving on http://127.0.0.1:{port}", flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
