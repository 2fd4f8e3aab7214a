"""A small shop for tests: pages with assets, a login by form, cookies, redirects, uploads.

Run by hand:  gunicorn --chdir testkit/app --threads 16 --keep-alive 30 shop:app
The client's view of things is what is tested, so that this file says what it received:
hashes of uploaded bytes, the cookies as they came, the way a body was framed.
"""

import gzip
import hashlib
import secrets
import threading
import time
import zlib

import brotli
import zstandard
from flask import Flask, Response, abort, jsonify, make_response, redirect, request

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = None
app.json.sort_keys = False

ACCOUNTS = {"ann": "secret", "bob": "hunter2"}
SESSIONS_MAX = 100_000
PIECE = 64 * 1024

sessions = {}  # token -> {"user": name or None, "csrf": text}
nonces = {}  # nonce -> highest nc seen
lock = threading.Lock()

PAGE = """<!doctype html>
<html><head><title>{title}</title>
<link rel="stylesheet" href="/static/site.css">
<link rel="icon" href="/static/icon.png">
<script src="/static/site.js"></script>
</head><body>
<img src="/static/one.png" alt=""><img src="static/two.png" alt="">
{body}
</body></html>
"""

FORM = """<form method="post" action="/login">
<input type="hidden" name="csrf" value="{csrf}">
<input name="user"><input name="password" type="password"><button>Log in</button>
</form>"""

ASSETS = {
    "site.css": ("text/css", b"body { color: #222 }\n" * 200),
    "site.js": ("text/javascript", b"window.loaded = true;\n" * 200),
    "icon.png": ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(300)),
    "one.png": ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(3000)),
    "two.png": ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(5000)),
}


def pattern(size):
    """The bytes that /download sends, in pieces."""
    piece = bytes(range(256)) * (PIECE // 256)
    for at in range(0, size, PIECE):
        yield piece[: min(PIECE, size - at)]


def session():
    """The session of the request and its token; a new one without a valid cookie."""
    token = request.cookies.get("sid", "")
    with lock:
        if token not in sessions:
            if len(sessions) >= SESSIONS_MAX:
                sessions.clear()
            token = secrets.token_hex(16)
            sessions[token] = {"user": None, "csrf": secrets.token_hex(16)}
        return token, sessions[token]


def page(title, body, token=None):
    reply = make_response(PAGE.format(title=title, body=body))
    if token:
        reply.set_cookie("sid", token, httponly=True, samesite="Lax", path="/")
    return reply


@app.get("/")
def home():
    token, _ = session()
    return page("Welcome", '<p>Welcome</p><a href="/login">log in</a>', token)


@app.get("/static/<name>")
def asset(name):
    if name not in ASSETS:
        abort(404)
    kind, data = ASSETS[name]
    return Response(data, mimetype=kind)


@app.route("/login", methods=["GET", "POST"])
def login():
    token, held = session()
    if request.method == "GET":
        return page("Log in", FORM.format(csrf=held["csrf"]), token)
    if request.form.get("csrf") != held["csrf"]:
        abort(400, "csrf")
    name = request.form.get("user", "")
    if name not in ACCOUNTS or ACCOUNTS[name] != request.form.get("password"):
        abort(403, "password")
    with lock:
        del sessions[token]
        token = secrets.token_hex(16)
        sessions[token] = {"user": name, "csrf": secrets.token_hex(16)}
    reply = redirect("/account", 303)
    reply.set_cookie("sid", token, httponly=True, samesite="Lax", path="/")
    return reply


@app.get("/account")
def account():
    _, held = session()
    if not held["user"]:
        return redirect("/login", 302)
    form = '<form method="post" action="/logout"><input type="hidden" name="csrf" value="{}"></form>'
    return page("Account", "<h1>Hello " + held["user"] + "</h1>" + form.format(held["csrf"]))


@app.post("/logout")
def logout():
    token, held = session()
    if request.form.get("csrf") != held["csrf"]:
        abort(400, "csrf")
    with lock:
        del sessions[token]
    reply = redirect("/", 303)
    reply.delete_cookie("sid", path="/")
    return reply


@app.get("/cookies/set")
def cookies_set():
    """Each query argument is a whole Set-Cookie line; the order is kept."""
    reply = make_response("set\n")
    for line in request.args.getlist("c"):
        reply.headers.add("Set-Cookie", line)
    return reply


@app.get("/cookies/echo", defaults={"rest": ""})
@app.get("/cookies/echo/<path:rest>")
def cookies_echo(rest):
    return jsonify(cookie=request.headers.get("Cookie", ""))


@app.route("/redirect/<int:status>/<int:hops>", methods=["GET", "POST", "PUT", "HEAD"])
def redirect_hops(status, hops):
    """Goes round `hops` times, then shows the request that came."""
    if hops == 0:
        return echo()
    return redirect(f"../{status}/{hops - 1}", status)


@app.route("/redirect/to", methods=["GET", "POST"])
def redirect_to():
    return redirect(request.args["url"], int(request.args.get("status", 302)))


@app.get("/redirect/loop")
def redirect_loop():
    return redirect("/redirect/loop", 302)


def digest_of(stream):
    hashed, size = hashlib.sha256(), 0
    while piece := stream.read(PIECE):
        hashed.update(piece)
        size += len(piece)
    return {"size": size, "sha256": hashed.hexdigest()}


@app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
def echo():
    """What came: method, headers, and what the body was, read as a stream."""
    headers = {name.lower(): value for name, value in request.headers}
    return jsonify(method=request.method, url=request.full_path.rstrip("?"), headers=headers,
                   body=digest_of(request.stream))


@app.post("/upload")
def upload():
    """The parts of a multipart form with their hashes."""
    parts = [
        {"field": field, "name": file.filename, "type": file.content_type, **digest_of(file.stream)}
        for field, file in request.files.items(multi=True)
    ]
    return jsonify(files=parts, fields=request.form.to_dict(flat=False),
                   framing=request.headers.get("Transfer-Encoding", "length"))


@app.post("/refuse")
def refuse():
    """Says no without reading the body."""
    return Response("too much\n", status=413)


@app.get("/download/<int:size>")
def download(size):
    return Response(pattern(size), headers={"Content-Length": str(size)},
                    mimetype="application/octet-stream")


@app.get("/chunked/<int:count>")
def chunked(count):
    """`count` chunks that say their number."""
    return Response((f"chunk {i}\n" for i in range(count)), mimetype="text/plain")


CODINGS = {
    "gzip": gzip.compress,
    "gzip-members": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "deflate": zlib.compress,
    "deflate-raw": lambda data: zlib.compress(data, wbits=-15),
    "br": brotli.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "identity": lambda data: data,
}


@app.get("/encoded/<coding>/<int:size>")
def encoded(coding, size):
    """`size` bytes of /download in a content coding; ?cut=N leaves out the last N, ?chunked=1."""
    data = CODINGS[coding](b"".join(pattern(size)))
    data = data[: len(data) - int(request.args.get("cut", 0))]
    body = (data[i : i + 1000] for i in range(0, len(data), 1000)) if "chunked" in request.args else data
    reply = Response(body, mimetype="application/octet-stream")
    reply.headers["Content-Encoding"] = coding.split("-")[0]
    return reply


@app.get("/basic")
def basic():
    who = request.authorization
    if not who or who.type != "basic" or ACCOUNTS.get(who.username) != who.password:
        return Response("who?\n", status=401, headers={"WWW-Authenticate": 'Basic realm="shop"'})
    return "hello " + who.username + "\n"


HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
NONCE_USES = 3


@app.route("/digest/<algorithm>", methods=["GET", "POST"])
def digest(algorithm):
    """RFC 7616 with qop=auth; a nonce is stale after three uses, and nc must rise."""
    def h(text):
        return HASHES[algorithm](text.encode()).hexdigest()

    def ask(stale):
        nonce = secrets.token_hex(8)
        with lock:
            nonces[nonce] = 0
        line = (f'Digest realm="shop", qop="auth", algorithm={algorithm}, nonce="{nonce}", '
                f'opaque="o p,q"' + (", stale=true" if stale else ""))
        return Response("who?\n", status=401, headers={"WWW-Authenticate": line})

    who = request.authorization
    if not who or who.type != "digest":
        return ask(False)
    nonce, count = who.get("nonce", ""), int(who.get("nc", "0"), 16)
    a1 = h(f"{who.get('username')}:shop:{ACCOUNTS.get(who.get('username'), '')}")
    a2 = h(f"{request.method}:{who.get('uri')}")
    wanted = h(f"{a1}:{nonce}:{who.get('nc')}:{who.get('cnonce')}:auth:{a2}")
    fits = (who.get("response") == wanted and who.get("opaque") == "o p,q"
            and who.get("uri") == request.full_path.rstrip("?") and who.get("qop") == "auth")
    if not fits or nonce not in nonces:
        return ask(False)
    with lock:
        if count <= nonces[nonce]:
            abort(400, "nc does not rise")
        nonces[nonce] = count
    if count > NONCE_USES:
        return ask(True)
    return jsonify(user=who.get("username"), nc=count)


@app.get("/delay/<int:ms>")
def delay(ms):
    time.sleep(min(ms, 5000) / 1000)
    return "late\n"


@app.get("/status/<int:code>")
def status(code):
    return Response(f"{code}\n", status=code)
