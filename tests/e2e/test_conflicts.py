#!/usr/bin/env python3
"""Two devices that hold one customer edit it offline: nothing is lost, the later edit wins."""
import shutil
import time
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main, skip
from sample import firm_with_reps


def two_devices_and_a_manager(firm):
    phone, tablet = firm.device("lin", "phone"), firm.device("lin", "tablet")
    mei = firm.device("mei")
    for device in (phone, tablet, mei):
        device.sync()
    return phone, tablet, mei


def settle(*devices):
    """Everybody has sent, then everybody has seen it."""
    for _ in range(2):
        for device in devices:
            device.sync()


def test_different_columns_both_survive():
    with firm_with_reps(goods=False) as firm:
        phone, tablet, mei = two_devices_and_a_manager(firm)
        phone.set("customer", "L1", city="苏州")
        tablet.set("customer", "L1", industry="零售")
        mei.set("customer", "L1", channel="专卖店")
        settle(phone, tablet, mei)
        for device in (phone, tablet, mei):
            row = device.json("show", "customer", "L1")
            equal((row["city"], row["industry"], row["channel"]), ("苏州", "零售", "专卖店"),
                  f"the row on {device.name}")
            equal(device.json("inbox"), [], f"inbox of {device.name}")
            device.run("verify")
        equal(firm.query("SELECT count(*) AS n FROM kept_value"), [{"n": 0}], "kept values")


def test_the_later_edit_wins_whoever_syncs_first():
    for order in (("phone", "tablet"), ("tablet", "phone")):
        with firm_with_reps(goods=False) as firm:
            phone, tablet, mei = two_devices_and_a_manager(firm)
            phone.set("customer", "L1", city="earlier")
            time.sleep(1.1)
            tablet.set("customer", "L1", city="later")
            for name in order:
                {"phone": phone, "tablet": tablet}[name].sync()
            settle(phone, tablet, mei)
            for device in (phone, tablet, mei):
                equal(device.json("show", "customer", "L1")["city"], "later", f"{order}, {device.name}")
            kept = firm.query("SELECT kept, winner FROM kept_value")
            equal(len(kept), 1, f"{order}: one value is kept")
            check("earlier" in kept[0]["kept"] and "later" in kept[0]["winner"], f"kept: {kept}")


def test_the_losing_value_is_shown_and_restored():
    with firm_with_reps(goods=False) as firm:
        phone, tablet, mei = two_devices_and_a_manager(firm)
        phone.set("customer", "L1", city="earlier")
        time.sleep(1.1)
        tablet.set("customer", "L1", city="later")
        tablet.sync()
        equal(phone.sync()["merged"], 1, "merged transactions of the phone")
        entries = phone.json("inbox")
        equal(len(entries), 1, "entries in the phone's inbox")
        check("earlier" in phone.run("inbox", "show", entries[0]["id"]).out, "the entry shows the value")
        phone.run("inbox", "restore", entries[0]["id"])
        equal(phone.json("show", "customer", "L1")["city"], "earlier", "restored here")
        settle(phone, tablet, mei)
        for device in (phone, tablet, mei):
            equal(device.json("show", "customer", "L1")["city"], "earlier", f"restored on {device.name}")
        equal(phone.json("inbox"), [], "the inbox is empty again")


def test_notes_keep_both():
    with firm_with_reps(goods=False) as firm:
        phone, tablet, mei = two_devices_and_a_manager(firm)
        phone.set("customer", "L1", note="owner back on Monday")
        time.sleep(1.1)
        mei.set("customer", "L1", note="credit checked")
        settle(phone, mei, tablet)
        equal(phone.json("show", "customer", "L1")["note"], "credit checked", "the later note")
        kept = firm.query("SELECT kept FROM kept_value")
        check(len(kept) == 1 and "owner back on Monday" in kept[0]["kept"], f"kept: {kept}")


def test_sets_are_united():
    with firm_with_reps(goods=False) as firm:
        phone, tablet, mei = two_devices_and_a_manager(firm)
        phone.set("customer", "L1", tags="早市")
        tablet.set("customer", "L1", tags="vip")
        settle(phone, tablet, mei)
        for device in (phone, tablet, mei):
            tags = device.json("show", "customer", "L1")["tags"]
            check("早市" in str(tags) and "vip" in str(tags), f"tags on {device.name}: {tags}")


def clock_test(shift):
    """A clock that is wrong by a constant changes no result: the truly later edit wins."""
    if not shutil.which("faketime"):
        skip("faketime isn't installed")
    for wrong_is_later in (False, True):
        with firm_with_reps() as firm:
            wrong = firm.device("lin", "wrong")
            right = firm.device("lin", "right")
            wrong.prefix = ("faketime", "-f", shift)
            for device in (wrong, right):
                device.sync()
            first, second = (right, wrong) if wrong_is_later else (wrong, right)
            first.set("customer", "L1", city="earlier")
            time.sleep(2.1)
            second.set("customer", "L1", city="later")
            visit = wrong.run("visit", "log", "L2", "--outcome", "no_order")
            for device in (wrong, right, wrong):
                answer = device.sync()
                equal(answer["refused"], 0, f"refused of {device.name} {visit}")
            for device in (wrong, right):
                equal(device.json("show", "customer", "L1")["city"], "later",
                      f"clock {shift}, the wrong clock wrote {'last' if wrong_is_later else 'first'}, "
                      f"{device.name}")


def test_a_clock_a_year_ahead():
    clock_test("+1y")


def test_a_clock_a_year_behind():
    clock_test("-1y")


def test_enrolling_with_a_wrong_clock():
    if not shutil.which("faketime"):
        skip("faketime isn't installed")
    from legwork import Device
    with firm_with_reps() as firm:
        for i, shift in enumerate(("+3y", "-3y")):
            device = Device(firm, f"wrong{i}")
            device.prefix = ("faketime", "-f", shift)
            device.enroll(firm.invite("lin"))
            device.run("visit", "log", "L1", "--outcome", "closed") if device.sync() else None
            equal(device.sync()["refused"], 0, f"refused with {shift}")


main(globals())
