"""All benchmarks, one after the other: ``python -m benchmarks``; status 1 where a bound does not hold."""

import importlib
import pkgutil
import sys

import benchmarks


def main() -> int:
    """Run every module of this folder that has a ``main``."""
    failed = []
    for module in pkgutil.iter_modules(benchmarks.__path__):
        found = importlib.import_module(f"benchmarks.{module.name}") if module.name != "__main__" else None
        if found is not None and hasattr(found, "main"):
            print(f"\n{(found.__doc__ or module.name).splitlines()[0]}\n", flush=True)
            sys.argv = [module.name]
            if found.main():
                failed.append(module.name)
    print("\nall bounds hold" if not failed else f"\nbounds that do not hold in: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
