#!/usr/bin/env python3
"""Files that a newer program made are refused by client and server, in one clear line of either
language, and stay as they are."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import LEGWORK, LEGWORKD, check, environment, equal, main, run
from sample import firm_with_reps

NEWER = ("PRAGMA user_version = 9999", "UPDATE {0} SET catalogue = 9999")


def in_both_languages(args, words):
    for language, text in words.items():
        said = run(args, env=environment(LEGWORK_LANG=language), expect=1)
        check(text in said.err, f"{text!r} in\n{said}")
        equal(said.out, "", f"output of\n{said}")
        lines = [line for line in said.err.splitlines() if not line.startswith("ts=")]
        equal(len(lines), 1, f"lines of\n{said}")


def test_a_newer_replica():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        lin.sync()
        whole = run(["sqlite3", lin.replica, "PRAGMA user_version"]).out.strip()
        for sql in NEWER:
            run(["sqlite3", lin.replica, sql.format("device_state")])
            for command in (["status"], ["sync"], ["visit", "log", "L1", "--outcome", "other"]):
                in_both_languages([LEGWORK, "--home", lin.home, *command],
                                  {"en": "newer version of legwork", "zh": "更新版本的 legwork"})
            run(["sqlite3", lin.replica, f"PRAGMA user_version = {whole}"])
            run(["sqlite3", lin.replica, "UPDATE device_state SET catalogue = 2"])
            lin.sync()


def test_a_newer_store():
    with firm_with_reps() as firm:
        firm.stop()
        store = firm.data / "store.db"
        whole = run(["sqlite3", store, "PRAGMA user_version"]).out.strip()
        for sql in NEWER:
            run(["sqlite3", store, sql.format("store_state")])
            for command in (["serve", "--listen", "127.0.0.1:0"], ["verify"], ["user", "list"]):
                in_both_languages([LEGWORKD, "--data", firm.data, *command],
                                  {"en": "made by a newer program: install", "zh": "请安装该版本"})
            run(["sqlite3", store, f"PRAGMA user_version = {whole}"])
            run(["sqlite3", store, "UPDATE store_state SET catalogue = 2"])
        firm.start()
        firm.device("lin").sync()


main(globals())
