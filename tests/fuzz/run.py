"""`make fuzz`: every target for its share of the time, each in a process of its own; and a table of what came of it."""

import argparse
import contextlib
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
FAMILIES = {
    "texts": ("tdl", "config", "domain", "checksums", "access", "note", "journal", "cache"),
    "media": ("iso", "boot", "fat", "ext2", "cpio"),
    "guestoutput": ("console", "marker", "output", "greeting", "packages"),
}
"""Module to its targets, which another process imports: atheris follows only what it has seen imported."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument("--inputs", type=int, default=10**9, help="at most so many by each way of making them")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--keep", type=Path, default=ROOT / "build/fuzz", help="where failing inputs are kept")
    parser.add_argument("--plain", action="store_true", help="without atheris: the same inputs every time")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"), help="feed one kept input, with its traceback")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="these alone")
    args = parser.parse_args()
    if args.child or args.replay:
        return feed(args)
    names = args.targets or [name for family in FAMILIES.values() for name in family]
    args.keep.mkdir(parents=True, exist_ok=True)
    print(f"seed {args.seed}" + ("" if args.plain or has_atheris() else "; atheris is not installed: plain mutation"))
    print(f"{'target':12}{'inputs':>10}{'worst s':>10}{'MiB':>8}  failures")
    total = failed = 0
    for name in names:
        record = fuzz(name, args, args.seconds / len(names))
        total += record["inputs"]
        failed += len(record["failures"])
        line = f"{name:12}{record['inputs']:10}{record['worst_s']:10.2f}{record['bytes'] / 1024**2:8.0f}"
        print(f"{line}  {len(record['failures'])}", flush=True)
        for place, words in record["failures"].items():
            print(f"    {place}: {words}")
    print(f"{total} inputs, {failed} failures")
    return 1 if failed else 0


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def fuzz(name: str, args: argparse.Namespace, seconds: float) -> dict:
    report = (args.keep / f"{name}.json").absolute()
    report.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="oz-fuzz-") as folder:
        words = [
            "--child",
            name,
            "--keep",
            args.keep,
            "--seed",
            args.seed,
            "--seconds",
            seconds,
            "--inputs",
            args.inputs,
        ]
        command = [sys.executable, __file__, *map(str, words), *(["--plain"] if args.plain else [])]
        # an arena for each thread would use up the address space that is limited
        environment = os.environ | {"TMPDIR": folder, "PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"}
        with (args.keep / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            try:
                status = child.wait(seconds + 60)
            except subprocess.TimeoutExpired:
                child.kill()
                status = child.wait()
        record = {"inputs": 0, "worst_s": 0.0, "bytes": 0, "failures": {}}
        if report.exists():
            record = json.loads(report.read_text())
        if status:
            kept = args.keep / f"{name}-death"
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(Path(folder) / "input", kept)
            record["failures"]["death"] = f"status {status}, see {log.name}; input: {kept}"
    return record


def feed(args: argparse.Namespace) -> int:
    """One target, in this process."""
    name = args.child or args.replay[0]
    family = next(module for module, targets in FAMILIES.items() if name in targets)
    with_atheris = has_atheris() and not args.plain and not args.replay
    guard = contextlib.nullcontext()
    if with_atheris:
        import atheris

        guard = atheris.instrument_imports(include=["oz"])
    with guard:
        module = importlib.import_module(family)
    import engine

    target = next(target for target in module.TARGETS if target.name == name)
    folder = Path(tempfile.gettempdir() if args.child else tempfile.mkdtemp(prefix="oz-fuzz-"))
    seeds = target.seeds(folder)
    if args.replay:
        print(target.run(Path(args.replay[1]).read_bytes(), folder))
        return 0
    trial = engine.Trial(target, folder, (args.keep / f"{name}.json").absolute())
    for data in seeds:
        trial.feed(data)
    engine.limit_memory()
    now = time.monotonic()
    end, half = now + args.seconds, now + args.seconds / 2
    engine.by_pieces(trial, seeds, args.seed, end=half, most=args.inputs)
    trial.save()
    by_bytes = engine.by_atheris if with_atheris else engine.by_bytes
    by_bytes(trial, seeds, args.seed, end=end, most=args.inputs)
    trial.save()
    return 0


if __name__ == "__main__":
    sys.exit(main())
