#!/usr/bin/env python3
"""Holds `bantam serve` to what it promises, with the shipped model and real sockets.

usage: tests/serve_test.py BANTAM MODEL
"""

import http.client
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from peft_files import write_peft

MODEL = sys.argv.pop() if len(sys.argv) > 2 else "models/seed-Q8_0.gguf"
BINARY = sys.argv.pop() if len(sys.argv) > 1 else "build/release/bantam"
PATIENCE = 60  # seconds, for what must happen

CHAT = {"temperature": 0, "max_tokens": 12,
        "messages": [{"role": "system", "content": "Name the banking intent."},
                     {"role": "user", "content": "My transfer has not arrived yet"}]}


class Server:
    """A running `bantam serve`."""

    def __init__(self, *options, model=MODEL):
        self.process = subprocess.Popen(
            [BINARY, "serve", model, "--port", "0", "--name", "m", "--json", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())
        self.port = self.ready["port"]

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def chat(self, **more):
        status, text = self.ask("POST", "/v1/chat/completions", CHAT | more)
        return status, text if more.get("stream") else json.loads(text)

    def connect(self, data=b""):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.sendall(data)
        return connection

    def raw(self, data):
        """What comes back on a connection until it is closed."""
        with self.connect(data) as connection:
            received = b""
            while piece := connection.recv(65536):
                received += piece
        return received

    def end(self, *signals):
        for number in signals:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def post(body, path="/v1/chat/completions"):
    data = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode() + data


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        code = cls.server.end(signal.SIGTERM)
        assert code == 0, f"SIGTERM ended it with {code}"

    def test_streamed_or_not_it_says_the_same_and_what_generate_says(self):
        status, whole = self.server.chat()
        self.assertEqual(status, 200)
        content = whole["choices"][0]["message"]["content"]
        self.assertTrue(content)
        _, stream = self.server.chat(stream=True)
        events = [line[6:] for line in stream.split("\n\n") if line]
        self.assertEqual(events[-1], "[DONE]")
        pieces = [json.loads(event)["choices"][0]["delta"].get("content", "")
                  for event in events[:-1]]
        self.assertEqual("".join(pieces), content)

        request = {"prompt": "One day", "temperature": 0, "max_tokens": 12}
        _, text = self.server.ask("POST", "/v1/completions", request)
        done = subprocess.run([BINARY, "generate", "-m", MODEL, "--prompt", "One day",
                               "--temperature", "0", "--max-tokens", "12", "--json"],
                              capture_output=True, text=True, timeout=PATIENCE, check=True)
        self.assertEqual(json.loads(text)["choices"][0]["text"], json.loads(done.stdout)["text"])

    def test_the_reported_seed_says_the_same_again(self):
        _, drawn = self.server.chat(temperature=1.5)
        seed = drawn["choices"][0]["seed"]
        _, again = self.server.chat(temperature=1.5, seed=seed)
        self.assertEqual(again["choices"][0]["message"], drawn["choices"][0]["message"])

    def test_errors_name_what_is_wrong(self):
        for more, status, code in [({"model": "x"}, 404, "model_not_found"),
                                   ({"temprature": 1}, 400, "unknown_param"),
                                   ({"logit_bias": {"99999999": 1}}, 400, "invalid_param"),
                                   ({"chat_template_kwargs": {"x": 1}}, 400, "invalid_param")]:
            found, document = self.server.chat(**more)
            self.assertEqual((found, document["error"]["code"]), (status, code), document)
        for stream in (False, True):
            status, text = self.server.ask("POST", "/v1/completions",
                                           {"prompt": "word " * 100_000, "stream": stream})
            error = json.loads(text)["error"]
            self.assertEqual((status, error["code"]), (400, "context_length_exceeded"))
            self.assertRegex(error["message"], r"\d+.*\d+")
        status, text = self.server.ask("POST", "/v1/completions", {"prompt": [1, 99_999_999]})
        self.assertEqual((status, json.loads(text)["error"]["code"]), (400, "token_out_of_range"))

    def test_malformed_requests_are_refused_and_the_connection_closed(self):
        host = b"Host: localhost\r\n"
        for request in [b"GET /health HTTP/1.1\r\n\r\n",
                        b"GET /health HTTP/1.1\r\n" + host + host + b"\r\n",
                        b"GET /health HTTP/1.1\r\n" + host + b"A: b\r\n c\r\n\r\n",
                        b"POST /v1/completions HTTP/1.1\r\n" + host +
                        b"Transfer-Encoding: xchunked\r\n\r\n"]:
            # Whatever comes behind it is never taken for a request.
            answer = self.server.raw(request + b"GET /health HTTP/1.1\r\n" + host + b"\r\n")
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
            self.assertEqual(answer.count(b"HTTP/1.1"), 1, answer)
        answer = self.server.raw(b"GET /health HTTP/1.1\r\nHost: evil.example\r\n"
                                 b"Connection: close\r\n\r\n")
        self.assertIn(b"host_not_allowed", answer)

    def test_clients_that_leave_make_room(self):
        endless = CHAT | {"ignore_eos": True, "max_tokens": 200, "n": 16}
        for stream in (False, True):
            leaving = [self.server.connect(post(endless | {"stream": stream})) for _ in range(8)]
            for connection in leaving:
                connection.close()
        status, _ = self.server.chat()
        self.assertEqual(status, 200)

    def test_health_answers_while_the_model_computes(self):
        busy = [self.server.connect(post(CHAT | {"n": 16, "ignore_eos": True, "max_tokens": 100}))
                for _ in range(4)]
        self.assertEqual(self.server.ask("GET", "/health"), (200, '{"status":"ok"}'))
        for connection in busy:
            connection.close()


class LifeTest(unittest.TestCase):
    def test_a_signal_lets_requests_finish(self):
        server = Server()
        idle = server.connect()
        with server.connect(post(CHAT | {"stream": True, "n": 8, "ignore_eos": True,
                                         "max_tokens": 100})) as running:
            received = running.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(idle.recv(1), b"")
            while piece := running.recv(65536):
                received += piece
        idle.close()
        self.assertIn(b"data: [DONE]\n\n\r\n0\r\n\r\n", received)
        self.assertEqual(server.end(), 0)

    def test_a_second_signal_ends_it_at_once(self):
        server = Server("--drain", "600")
        held = server.connect(post(CHAT)[:-5])  # a request that never becomes whole
        self.assertEqual(server.ask("GET", "/health")[0], 200)
        server.process.send_signal(signal.SIGTERM)
        while True:  # the first has been taken when nobody accepts any more
            try:
                server.connect().close()
            except ConnectionRefusedError:
                break
            except ConnectionResetError:  # closed with us in the queue of the listener
                pass
        self.assertEqual(server.end(signal.SIGTERM), -signal.SIGTERM)
        held.close()

    def test_weights_that_are_not_numbers_end_the_request_and_nothing_else(self):
        data = bytearray(pathlib.Path(MODEL).read_bytes())
        # In the last tensor, one of Q8_0 blocks of 34 bytes: a scale that is not a number.
        data[-34 * 100:-34 * 100 + 2] = b"\x00\x7e"
        with tempfile.TemporaryDirectory() as folder:
            broken = pathlib.Path(folder) / "broken.gguf"
            broken.write_bytes(data)
            self.assertEqual(self.fails(str(broken), "--port", "0", "--check"),
                             (65, "weights_not_finite"))
            server = Server(model=str(broken))
            for path, body in [("/v1/chat/completions", CHAT),
                               ("/v1/completions", {"prompt": "One day", "max_tokens": 3})]:
                for stream in (False, True):
                    status, text = server.ask("POST", path, body | {"stream": stream})
                    # No token came before it, so even a stream can still say it with its status.
                    self.assertEqual(status, 500, text)
                    self.assertEqual(json.loads(text)["error"]["code"], "model_numerics", text)
            self.assertEqual(server.ask("GET", "/health"), (200, '{"status":"ok"}'))
            self.assertEqual(server.end(signal.SIGTERM), 0)

    def test_an_adapter_is_served_as_its_files_say(self):
        with tempfile.TemporaryDirectory() as name:
            answers = {}
            for style, size in (("none", None), ("mute", 0.0), ("loud", 1.0)):
                folder = pathlib.Path(name) / style
                if size is not None:
                    write_peft(BINARY, MODEL, folder, size)
                server = Server(*([] if size is None else ["--adapter", str(folder)]))
                try:
                    answers[style] = server.chat()[1]["choices"][0]["message"]["content"]
                finally:
                    self.assertEqual(server.end(signal.SIGTERM), 0)
            self.assertEqual(answers["mute"], answers["none"])
            self.assertNotEqual(answers["loud"], answers["none"])
            code, error = self.fails(MODEL, "--port", "0", "--adapter", MODEL)
            self.assertEqual((code, error), (65, "adapter_invalid"))

    def fails(self, *options):
        done = subprocess.run([BINARY, "serve", *options, "--json"], capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        return done.returncode, json.loads(done.stdout)["error"]["code"]

    def test_it_says_why_it_does_not_start(self):
        self.assertEqual(self.fails("/no/such.gguf", "--port", "0"), (66, "file_not_found"))
        self.assertEqual(self.fails(MODEL, "--host", "0.0.0.0"), (78, "public_without_keys"))
        self.assertEqual(self.fails(MODEL, "--host", "nowhere"), (78, "public_without_keys"))
        self.assertEqual(self.fails(MODEL, "--host", "nowhere", "--allow-public"),
                         (64, "bad_address"))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.assertEqual(self.fails(MODEL, "--port", str(taken.getsockname()[1])),
                             (73, "address_in_use"))


if __name__ == "__main__":
    unittest.main()
