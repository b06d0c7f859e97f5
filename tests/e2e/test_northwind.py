#!/usr/bin/env python3
"""A day in the field over the Northwind firm: three reps enrol, record visits, orders and payments
offline for their own customers, and sync. The manager's report and SQL must give the figures that
this file computes by itself, from the CSV files and from what it typed."""
import csv
import random
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import northwind
from legwork import check, equal, main

REPS = ("Davolio", "Leverling", "Peacock")
MANAGER = "Fuller"
CUSTOMERS_EACH = 6


def round_half_up(numerator, denominator):
    return (2 * numerator + denominator) // (2 * denominator)


def price_list(files):
    """SKU → cents, of what is still sold; read by this test alone."""
    with open(files / "products.csv", encoding="utf-8") as f:
        return {row["productID"]: round_half_up(round(float(row["unitPrice"]) * 10000), 100)
                for row in csv.DictReader(f) if row["discontinued"] == "0"}


class Day:
    """What one rep does, and what it should amount to."""

    def __init__(self, device, customers, prices, rng):
        self.device = device
        self.rng = rng
        self.prices = prices
        self.customers = rng.sample(sorted(customers), CUSTOMERS_EACH)
        self.visited = self.productive = self.orders = self.value = self.collected = 0
        self.order_totals = []

    def order(self, customer, submit):
        skus = self.rng.sample(sorted(self.prices, key=int), self.rng.randint(1, 4))
        lines = {sku: self.rng.randint(1, 40) for sku in skus}
        discount_bp = self.rng.choice((0, 0, 250, 1000))
        words = [f"{sku}={quantity}" for sku, quantity in lines.items()]
        if discount_bp:
            words += ["--discount", discount_bp]
        row = self.device.json("order", "new", customer, *words)
        subtotal = sum(self.prices[sku] * quantity for sku, quantity in lines.items())
        total = subtotal - round_half_up(subtotal * discount_bp, 10000)
        equal(row["total"], total, f"total of {words}, as the device shows it")
        if submit:
            self.device.run("order", "submit", row["id"])
            self.orders += 1
            self.value += total
            self.order_totals.append(total)

    def work(self):
        for n, customer in enumerate(self.customers):
            self.visited += 1
            if n == 0:
                self.device.run("visit", "log", customer, "--outcome", "not_met")
                continue
            self.device.run("visit", "start", customer)
            if n in (1, 2, 3):
                self.order(customer, submit=True)
                self.productive += 1
            if n == 3:  # a second order of one visit makes it no more productive
                self.order(customer, submit=True)
            if n == 4:  # a draft isn't an order yet
                self.order(customer, submit=False)
            if n in (2, 5):
                cents = self.rng.randint(1000, 99999)
                self.device.run("pay", customer, f"{cents // 100}.{cents % 100:02}")
                self.collected += cents
            self.device.run("visit", "finish", "--outcome", "order" if n < 4 else "other")

    def figures(self):
        return {"visited": self.visited, "productive": self.productive, "orders": self.orders,
                "order_value": self.value, "collected": self.collected}


def field_day(firm, files):
    of_rep = northwind.hand_out(firm)
    firm.start()
    devices = {login: firm.device(login) for login in REPS}
    for device in devices.values():
        device.sync()
    firm.stop()
    days = {login: Day(device, of_rep[login], price_list(files), random.Random(login))
            for login, device in devices.items()}
    for login, day in days.items():
        equal(len(day.device.json("list", "customer")), len(of_rep[login]), f"customers of {login}")
        day.work()
    firm.start()
    for login, day in days.items():
        waiting = day.device.json("status")["pending"]
        answer = day.device.sync()
        equal((answer["accepted"], answer["refused"], answer["parked"]), (waiting, 0, 0), login)
    return days


def check_report(firm, days):
    visit_days = {row["visit_day"] for row in next(iter(days.values())).device.json("list", "visit")}
    equal(len(visit_days), 1, f"the day of the visits: {visit_days}")
    on = visit_days.pop()
    rows = {row["login"]: row for row in firm.report("team_day", "--from", on, "--to", on)}
    for login, day in days.items():
        wanted = day.figures()
        equal({k: rows[login][k] for k in wanted}, wanted, f"team_day of {login}")
        check(rows[login]["complete_up_to"], "and up to when it is complete")


def check_sql(firm, days):
    for login, day in days.items():
        rows = firm.query(
            "SELECT o.total FROM sales_order o JOIN person p ON p.id = o.person_id"
            f" WHERE p.login = '{login}' AND o.submit_state = 'submitted' AND o.visit_id IS NOT NULL")
        equal(sorted(r["total"] for r in rows), sorted(day.order_totals), f"orders of {login} in SQL")
    wanted = sum(day.collected for day in days.values())
    equal(firm.query("SELECT sum(amount) AS n FROM payment"), [{"n": wanted}], "money collected")


def check_manager(firm, days):
    boss = firm.device(MANAGER)
    boss.sync()
    visits = sum(day.visited for day in days.values())
    equal(boss.sql("SELECT count(*) AS n FROM visit"), [{"n": visits}], "visits on the manager's device")
    equal(boss.sql("SELECT count(*) AS n FROM sales_order o JOIN visit v ON v.id = o.visit_id"
                   " WHERE o.submit_state = 'submitted'"),
          [{"n": sum(day.orders for day in days.values())}], "and the orders")
    boss.run("verify")


def test_three_reps_and_their_manager():
    files = northwind.folder()
    with northwind.firm() as firm:
        northwind.take_in(firm, files)
        days = field_day(firm, files)
        check_report(firm, days)
        check_sql(firm, days)
        check_manager(firm, days)
        for day in days.values():
            day.device.healthy()
            day.device.run("verify")
        firm.healthy()


main(globals())
