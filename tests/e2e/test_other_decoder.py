#!/usr/bin/env python3
"""A decoder that shares nothing with ours (cbor-x, and the spec's text turned into JavaScript) reads
every valid vector, and must find what the JSON beside it says. The grammar in changes.cddl is parsed
by npm's cddl and held against the same bytes."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
import npm  # noqa: E402

sys.exit(npm.run(ROOT / "tests/e2e/vectors.mjs", ROOT / "protocol"))
