"""Calls one file of Python for the program, which is at the other end of a socket.

Owns the process: the messages, of which `runner/host/src/isolated/wire.rs` is the other end, and what
becomes of a failure. `grokrun_analysis` is the text of `runner/python/grokrun/analysis.py`, which
owns what a file is given.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import logging
import os
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from grokrun_analysis import FAMILIES, Array, LossAt, Snapshot, Task, _Checked, _known, _plain

class _Line:
    """The connection to the program: messages of JSON after their length, and numbers."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def receive(self) -> Any:
        (length,) = struct.unpack("<Q", self.bytes(8))
        return json.loads(self.bytes(length))

    def bytes(self, count: int) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            read = self.connection.recv_into(view)
            if read == 0:
                # Without the program there is nothing to do.
                os._exit(0)
            view = view[read:]
        return data

    def numbers(self, count: int, double: bool) -> Array:
        array = np.frombuffer(self.bytes(count * (8 if double else 4)), "<f8" if double else "<f4")
        array.flags.writeable = False
        return array

    def send(self, message: Any, array: Array | None = None) -> None:
        text = json.dumps(message, allow_nan=False).encode()
        try:
            self.connection.sendall(struct.pack("<Q", len(text)) + text)
            if array is not None:
                self.connection.sendall(array.data.cast("B") if array.size else b"")
        except OSError:
            os._exit(0)


class _Program(_Checked):
    """A sink that sends findings to the program."""

    def __init__(self, line: _Line) -> None:
        self.line = line

    def keep(self, name: str, values: Any) -> None:
        array = np.ascontiguousarray(values, dtype="<f4").ravel()
        self.line.send({"Keep": {"name": str(name), "count": array.size}}, array)
        refused = self.line.receive()["Kept"]
        if refused is not None:
            raise RuntimeError(refused["message"])

    def kept(self, name: str) -> Array:
        self.line.send({"Recall": str(name)})
        answer = self.line.receive()["Recalled"]
        if "Err" in answer:
            raise RuntimeError(answer["Err"]["message"])
        return self.line.numbers(answer["Ok"], double=False)

    def train_loss(self, weights: Any, gradient: bool = False, samples: bool = False) -> LossAt:
        array = np.ascontiguousarray(weights, dtype="<f4").ravel()
        ask = {"count": array.size, "gradient": bool(gradient), "samples": bool(samples)}
        self.line.send({"TrainLoss": ask}, array)
        answer = self.line.receive()["Loss"]
        if "Err" in answer:
            raise RuntimeError(answer["Err"]["message"])
        head = answer["Ok"]
        loss, accuracy = struct.unpack("<dd", struct.pack("<QQ", head["loss"], head["accuracy"]))
        found = self.line.numbers(head["gradient"], double=False)
        return LossAt(loss, accuracy, found, self.line.numbers(head["samples"], double=True))

    def _put(self, kind: str, head: Any, array: Array | None) -> None:
        if kind == "Scalar":
            # JSON has no word for a value that is not a number.
            (bits,) = struct.unpack("<Q", struct.pack("<d", head.pop("value")))
            head["bits"] = bits
        self.line.send({kind: head}, array)


class _Log(logging.Handler):
    """Sends log records to the program's log."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        level = {"CRITICAL": 1, "ERROR": 1, "WARNING": 2, "INFO": 3}.get(record.levelname, 4)
        self.line.send({"Log": [level, record.name, record.name, self.format(record), ""]})


def _loaded(path: Path) -> ModuleType:
    """The file as a module; modules beside it can be imported."""
    sys.path[0] = str(path.parent)
    found = importlib.util.spec_from_file_location("grokrun_analysis_file", path)
    if found is None or found.loader is None:
        raise ImportError(f"{path.name} is no file of Python")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    for word in ("__init__", "observe"):
        if not callable(getattr(getattr(module, "Analysis", None), word, None)):
            raise TypeError(
                f"{path.name} has no class `Analysis` with `__init__(self, config, task)` and "
                "`observe(self, snapshot, out)`"
            )
    return module


def _described(module: ModuleType) -> dict[str, Any]:
    """What the file says of itself: the first line of its docstring is the summary."""
    about = (module.__doc__ or "").strip()
    needs = list(getattr(module, "needs", []))
    for need in needs:
        if type(need) is not str or not _known(need):
            raise ValueError(
                f"`needs` has {need!r}; expected names or patterns of {', '.join(FAMILIES)}, with a ? "
                "at the end where a model need not have it"
            )
    scope, every = getattr(module, "scope", "any"), getattr(module, "every", None)
    if scope not in ("any", "one-layer"):
        raise ValueError(f'`scope` is {scope!r}; expected "any" or "one-layer"')
    if every is not None and (type(every) is not int or every < 0):
        raise ValueError(f"`every` is {every!r}; expected a number of epochs, or None")
    return {
        "name": "",
        "version": str(getattr(module, "version", "0")),
        "summary": about.splitlines()[0] if about else "an analysis in Python",
        "definition": str(getattr(module, "definition", "")),
        "package": "",
        "needs": needs,
        "every": every,
        "scope": scope,
        "schema": {"type": "object", "properties": _properties(module)},
    }


_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


def _properties(module: ModuleType) -> dict[str, Any]:
    """The parameters: the fields of the file's dataclass `Config`, each with its default."""
    config = getattr(module, "Config", None)
    if config is None:
        return {}
    if not dataclasses.is_dataclass(config):
        raise TypeError("`Config` is no dataclass; expected @dataclass above it")
    properties = {}
    for field in dataclasses.fields(config):
        value = field.default
        if field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        if type(value) not in _KINDS:
            raise TypeError(
                f"`{field.name}` of `Config` has no default that a spec can write; "
                "expected a number, text, true or false, or a list"
            )
        properties[field.name] = {
            "type": _KINDS[type(value)],
            "default": _plain(value),
            "description": str(field.metadata.get("about", "")),
        }
    return properties


class _Wrong(Exception):
    """A parameter that the file refuses."""

    def __init__(self, parameter: str | None, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


def _config(module: ModuleType, parameters: Mapping[str, Any]) -> Any:
    """The file's `Config` of these parameters."""
    if not hasattr(module, "Config"):
        return SimpleNamespace()
    values = {}
    for name, about in _properties(module).items():
        value, kind = parameters.get(name, about["default"]), about["type"]
        if kind == "number" and type(value) is int:
            value = float(value)
        if _KINDS.get(type(value)) != kind:
            raise _Wrong(name, f"must be of type {kind}")
        values[name] = value
    try:
        return module.Config(**values)
    except ValueError as error:
        # "exponent must be above 0" is about the parameter `exponent`.
        first, _, rest = str(error).partition(" ")
        name = first.strip("`")
        raise (_Wrong(name, rest) if name in values else _Wrong(None, str(error))) from error


def _task(said: dict[str, Any]) -> Task:
    labels = [-1 if label is None else label for label in said["labels"]]
    for name, numbers in (("labels", labels), ("train", said["train"]), ("test", said["test"])):
        said[name] = np.array(numbers, dtype=np.int64)
    said["model"] = SimpleNamespace(**said["model"])
    structure = said["structure"]
    if "places" in structure:
        places = [-1 if place is None else place for place in structure["places"]]
        structure["places"] = np.array(places, dtype=np.int64)
    said["structure"] = SimpleNamespace(**structure)
    return Task(**said)


def _why(error: BaseException, path: Path) -> dict[str, Any]:
    """A failure as the program takes it: with the line of the file that it is from."""
    if isinstance(error, _Wrong):
        return {"parameter": error.parameter, "message": str(error)}
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines = [error.lineno]
    place = f", line {lines[-1]}" if lines else ""
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return {"parameter": None, "message": f"{path.name}{place}: {type(error).__name__}: {said}"}


def serve(connection: socket.socket, file: str, parent: int) -> None:
    """Answers the program until it is gone."""
    # A file that reads standard input must not take messages that are meant for this process.
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    path, line = Path(file), _Line(connection)
    logging.basicConfig(level=logging.INFO, handlers=[_Log(line)])
    out, instances = _Program(line), {}
    module: ModuleType | None = None
    while True:
        instance, request = line.receive()
        kind, about = (request, {}) if isinstance(request, str) else next(iter(request.items()))
        done: list[Any] = []
        try:
            # Numbers that follow are read even if the request fails.
            shown = _shown(line, about) if kind == "Observe" else None
            if module is None:
                module = _loaded(path)
            if kind == "Describe":
                done = [_described(module)]
            elif kind == "Check":
                _config(module, about["parameters"])
            elif kind == "Create":
                config = _config(module, about["parameters"])
                instances[instance] = module.Analysis(config, _task(about["task"]))
            elif kind == "Observe" and shown is not None:
                instances[instance].observe(shown, out)
            elif kind == "Finish" and hasattr(instances[instance], "finish"):
                instances[instance].finish(out)
            elif kind == "Close":
                instances.pop(instance, None)
            answer: dict[str, Any] = {"Ok": done}
        except (Exception, SystemExit) as error:
            instances.pop(instance, None)
            if not isinstance(error, _Wrong):
                logging.getLogger(path.stem).info("%s", traceback.format_exc().rstrip())
            answer = {"Err": _why(error, path)}
        line.send({"Done": answer})


def _shown(line: _Line, about: Mapping[str, Any]) -> Snapshot:
    tensors = {}
    for head in about["views"]:
        array = line.numbers(head["count"], head["double"])
        tensors[head["name"]] = array.reshape(head["shape"])
    return Snapshot(about["epoch"], tensors)


def _end_with(parent: int) -> None:
    """Ends this process with its parent: a call that never returns must not outlive the run."""
    while os.getppid() == parent:
        time.sleep(0.3)
    os._exit(0)
