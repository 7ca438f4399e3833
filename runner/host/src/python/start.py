# Reads the texts of the two modules from the socket that is standard input, and serves the file
# that the command line names.
import os
import socket
import struct
import sys
import types

_line = socket.socket(fileno=os.dup(0))


def _message():
    return _read(struct.unpack("<Q", _read(8))[0])


def _read(count):
    data = b""
    while len(data) < count:
        piece = _line.recv(count - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data


_texts = {name: _message() for name in ("grokrun_analysis", "grokrun_serve")}
sys.argv = [sys.argv[1]]
try:
    import numpy  # noqa: F401
except ImportError as _error:
    import json

    _message()
    _why = f"{sys.executable} cannot import NumPy ({_error}), by which numbers are handed over"
    _why += "; install it there, or name another interpreter by GROKRUN_PYTHON"
    _said = json.dumps({"Done": {"Err": {"parameter": None, "message": _why}}}).encode()
    _line.sendall(struct.pack("<Q", len(_said)) + _said)
    os._exit(0)
for _name, _text in _texts.items():
    _module = sys.modules[_name] = types.ModuleType(_name)
    exec(compile(_text, f"{_name}.py", "exec"), _module.__dict__)
_module.serve(_line, sys.argv[0], os.getppid())
