#!/usr/bin/env python3
"""Pictures: taken without a network, seen by others as thumbnails with the next sync, their bytes
brought to the server in pieces that are never sent twice, and given to nobody who holds no row that
names them."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import BUILD, Device, check, environment, equal, main, run
from cutter import Cutter
from pictures import jpeg_size, png, thumb_of
from sample import firm_with_reps


def picture(firm, name, *args, **options):
    path = firm.dir / name
    path.write_bytes(png(*args, **options))
    return path


def visit_of(device, customer="L1"):
    device.run("visit", "log", customer, "--outcome", "closed")
    return device.json("list", "visit")[0]["id"]


TOOL = BUILD / "tests" / "wire_tool"


def signed(firm, device, method, path, body=b""):
    """A request as this device would sign it, by curl: status, headers, body."""
    content = firm.dir / "piece"
    content.write_bytes(body)
    lines = subprocess.run([TOOL, "sign", device.home / "device.key", method, path, content if body else "",
                            str(int(time.time()))], capture_output=True, check=True, timeout=60).stdout.decode()
    args = ["curl", "-sS", "--http2", "--path-as-is", "--cacert", firm.data / "ca.pem", "-m", "30", "-X", method, "-D",
            firm.dir / "head", "-o", firm.dir / "body", "-w", "%{http_code}", "-H", "expect:"]
    for line in lines.splitlines():
        args += ["-H", line]
    if method == "PUT":
        args += ["-H", "content-type: application/octet-stream"] + (["--data-binary", f"@{content}"] if body else [])
    (firm.dir / "body").unlink(missing_ok=True)
    status = run([*args, f"https://127.0.0.1:{firm.port}{path}"]).out
    head = (firm.dir / "head").read_text().splitlines()[1:]
    headers = dict(line.lower().split(": ", 1) for line in head if ": " in line)
    return int(status), headers, (firm.dir / "body").read_bytes() if (firm.dir / "body").exists() else b""


def on_server(firm, sha256):
    return firm.data / "blobs" / sha256[:2] / sha256[2:]


def parts(folder):
    return [p for p in (folder / "blobs" / "part").iterdir()]


def stored(device, sha256):
    return device.home / "blobs" / sha256[:2] / sha256[2:]


def test_taken_without_a_network():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        lin.sync()
        firm.stop()
        path = picture(firm, "shelf.png", 400, 300)
        visit = visit_of(lin)
        row = lin.json("visit", "photo", visit, path, "--kind", "photo", "--note", "left shelf",
                       "--at", "31.2,121.5")
        equal(row["sha256"], hashlib.sha256(path.read_bytes()).hexdigest(), "its name is its content")
        equal((row["format"], row["width"], row["height"], row["size"]),
              ("png", 400, 300, path.stat().st_size), "what it says of itself")
        equal((row["visit_id"], row["lat"]), (visit, 31.2), "what it belongs to")
        equal(stored(lin, row["sha256"]).read_bytes(), path.read_bytes(), "the device's own copy")
        equal(jpeg_size(thumb_of(row)), (160, 120), "the thumbnail")
        equal([(p["id"], p["place"]) for p in lin.json("photo", "list")], [(row["id"], "waiting")], "the list")
        check("left shelf" in lin.run("photo", "show", row["id"]).out, "shown to people")
        check(row["thumb"][:40] not in lin.run("photo", "show", row["id"]).out, "without its base64")
        lin.run("photo", "show", row["id"], "--thumb", firm.dir / "thumb.jpg", "--to", firm.dir / "copy.png")
        equal((firm.dir / "copy.png").read_bytes(), path.read_bytes(), "written out again")
        equal((firm.dir / "thumb.jpg").read_bytes(), thumb_of(row), "its thumbnail as well")
        refused = lin.run("photo", "show", row["id"], "--to", path, expect=1)
        check(str(path) in refused.err, "nothing is overwritten")
        lin.run("order", "new", "L1", "TEA=2")
        order = lin.json("order", "list")[0]["id"]
        signed = lin.json("order", "sign", order, picture(firm, "sign.png", 300, 80, noise=False))
        equal((signed["kind"], signed["order_id"]), ("signature", order), "a signature")
        lin.healthy()


def test_only_pictures_are_taken():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        visit = visit_of(lin)
        good = png(60, 40)
        big = bytearray(good)
        big[16:24] = (10000).to_bytes(4, "big") * 2
        cases = {
            "page.jpg": b"<!DOCTYPE html><script>alert(1)</script>",
            "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
            "half.png": good[:len(good) // 2],
            "hundred_megapixels.png": bytes(big),
            "head_alone.jpg": bytes.fromhex("ffd8ffc0001108" "00400040" "03") + bytes(60),
            "too_many_bytes.png": good + bytes(8 * 1024 * 1024),
            "nothing.webp": b"",
        }
        for name, content in cases.items():
            (firm.dir / name).write_bytes(content)
            for language in ("en", "zh"):
                result = lin.run("visit", "photo", visit, firm.dir / name, expect=1,
                                 env=environment(LEGWORK_LANG=language))
                check(name in result.err and len(result.err) < 400, f"said in {language}\n{result}")
        lin.run("visit", "photo", visit, firm.dir / "missing.png", expect=1)
        lin.run("visit", "photo", visit, firm.dir, expect=1)
        equal(lin.json("photo", "list"), [], "nothing was saved")
        equal([p.name for p in (lin.home / "blobs").rglob("*") if p.is_file() and p.name != "lock"], [], "no file stayed")



def test_brought_seen_and_fetched():
    with firm_with_reps(goods=False) as firm:
        lin, mei, sam = (firm.device(login) for login in ("lin", "mei", "sam"))
        lin.sync()
        path = picture(firm, "shelf.png", 500, 400)
        content = path.read_bytes()
        row = lin.json("visit", "photo", visit_of(lin), path)
        equal(lin.json("status")["photos_waiting"], 1, "status says what waits")
        answer = lin.sync()
        equal((answer["photos_sent"], answer["photo_bytes_sent"], answer["photos_waiting"]),
              (1, len(content), 0), "brought with the sync, each byte once")
        equal(on_server(firm, row["sha256"]).read_bytes(), content, "the server's copy")
        equal([p["place"] for p in lin.json("photo", "list")], ["here"], "on both sides")
        again = lin.sync()
        equal((again["photos_sent"], again["requests"]), (0, 1), "a sync with nothing to do asks nothing more")
        mei.sync()
        equal([p["place"] for p in mei.json("photo", "list")], ["server"], "the manager's list")
        equal(thumb_of(mei.json("show", "media", row["id"])), thumb_of(row), "and thumbnail")
        check(not stored(mei, row["sha256"]).exists(), "the whole comes when asked for")
        mei.run("photo", "show", row["id"], "--to", firm.dir / "x.png", expect=1)
        mei.run("photo", "fetch", row["id"], "--to", firm.dir / "fetched.png")
        equal((firm.dir / "fetched.png").read_bytes(), content, "fetched")
        equal(stored(mei, row["sha256"]).read_bytes(), content, "and kept")
        sam.sync()
        equal(sam.json("photo", "list"), [], "another rep sees nothing of it")
        # The same picture again, by somebody else: the server has it, which is none of their business.
        sam.run("visit", "log", "S1", "--outcome", "closed")
        sam.json("visit", "photo", sam.json("list", "visit")[0]["id"], path)
        answer = sam.sync()
        equal((answer["photos_sent"], answer["photo_bytes_sent"]), (1, len(content)), "each shows that they have it")
        # Once more by a second device of who brought it: no byte goes.
        tablet = firm.device("lin", "tablet")
        tablet.sync()
        tablet.json("visit", "photo", tablet.json("list", "visit")[0]["id"], path)
        answer = tablet.sync()
        equal((answer["photos_sent"], answer["photo_bytes_sent"]), (1, 0), "what its person brought isn't sent again")
        for device in (lin, mei, sam):
            device.run("verify")
        firm.healthy()



PIECE = 256 * 1024
LINE_EXTRA = 64 * 1024  # handshakes, headers, frames, the sync itself: far less than a piece


def test_cut_and_resumed():
    with firm_with_reps(goods=False) as firm, Cutter(firm.port) as line:
        lin = Device(firm, "lin")
        lin.enroll(line.code(firm.invite("lin")))
        lin.sync()
        path = picture(firm, "large.png", 900, 700)  # about 1.9 MB: eight pieces
        size = path.stat().st_size
        row = lin.json("visit", "photo", visit_of(lin), path)
        for cut in (1000, 20_000, PIECE - 1, PIECE + 40_000, 2 * PIECE, 3 * PIECE + 77):
            line.cut_after(up=cut)
            lin.run("sync", expect=(0, 1, 3))
            check(not on_server(firm, row["sha256"]).exists(), "nothing half stands under its name")
            equal(lin.json("status")["photos_waiting"], 1, f"it waits on after a cut at {cut}")
        came = sum(p.stat().st_size for p in parts(firm.data))
        equal(came, 4 * PIECE, "each piece that arrived whole stays: 1, 1 and 2")
        line.cut_after()
        answer = lin.sync()
        equal((answer["photos_sent"], answer["photo_bytes_sent"]), (1, size - came), "only what lacked went")
        check(line.up <= size - came + LINE_EXTRA, f"{line.up} bytes went up for {size - came}")
        equal(on_server(firm, row["sha256"]).read_bytes(), path.read_bytes(), "whole on the server")
        equal(parts(firm.data), [], "no part is left")
        # The other way: fetched with cuts, each byte received is kept.
        mei = Device(firm, "mei")
        mei.enroll(line.code(firm.invite("mei")))
        mei.sync()
        for cut in (30_000, PIECE + 30_000, 2 * PIECE):
            line.cut_after(down=cut)
            mei.run("photo", "fetch", row["id"], expect=3)
            check(not stored(mei, row["sha256"]).exists(), "nothing half here either")
        here = sum(p.stat().st_size for p in parts(mei.home))
        check(here > 2 * PIECE, f"what came stays: {here}")
        line.cut_after()
        mei.run("photo", "fetch", row["id"])
        check(line.down <= size - here + LINE_EXTRA, f"{line.down} bytes came for {size - here}")
        equal(stored(mei, row["sha256"]).read_bytes(), path.read_bytes(), "fetched whole")


def test_killed_on_the_way():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        visit = visit_of(lin)
        rows = [lin.json("visit", "photo", visit, picture(firm, f"{i}.png", 600, 500, seed=i)) for i in range(4)]
        for round_ in range(6):  # either side, somewhere in the middle
            device = lin.start("sync")
            time.sleep(0.03 + 0.02 * round_)
            if round_ % 2:
                firm.kill()
            device.kill()
            device.communicate()
            if round_ % 2:
                firm.start()
        answer = lin.sync()
        equal(answer["photos_waiting"], 0, "all went in the end")
        for row in rows:
            equal(hashlib.sha256(on_server(firm, row["sha256"]).read_bytes()).hexdigest(), row["sha256"],
                  "each is what its name says")
        lin.run("verify")
        firm.healthy()
        equal(firm.admin("photos", "check", "--json").json(),
              {"whole": 4, "missing": 0, "wrong": 0, "awaited": 0, "asked": 0}, "the server's view")


def test_given_to_nobody_else():
    with firm_with_reps(goods=False) as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync()
        sam.sync()
        row = lin.json("visit", "photo", visit_of(lin), picture(firm, "mine.png", 80, 60))
        lin.sync()

        def ask(device, method, path):
            return signed(firm, device, method, path)
        name = row["sha256"]
        for method in ("GET", "PUT"):
            equal(ask(lin, method, f"/v1/blob/{name}/0")[0], 200, f"its own, by {method}")
            got = ask(sam, method, f"/v1/blob/{name}/0")
            equal((got[0], b"not_found" in got[2]), (404, True), f"another rep's, by {method}")
            nothing = ask(sam, method, f"/v1/blob/{'0' * 64}/0")
            equal((nothing[0], nothing[2][:20]), (404, got[2][:20]), "told like one that doesn't exist")
        for path in ("/v1/blob/../../store.db/0", "/v1/blob/..%2f..%2fstore.db/0", f"/v1/blob/{name.upper()}/0",
                     f"/v1/blob/{name}/00", f"/v1/blob/{name}/-1", f"/v1/blob/{name}", f"/v1/blob/{name}/0/1",
                     "/v1/blob/C:\\/0", f"/v1/blob/{name}/99999999999"):
            equal(ask(lin, "GET", path)[0], 404, f"{path} is no address")
        status, headers, body = ask(lin, "GET", f"/v1/blob/{name}/0")
        equal((headers["content-type"], headers["content-disposition"], headers["x-content-type-options"]),
              ("image/png", "attachment", "nosniff"), "given as a file, never as a page")
        equal(hashlib.sha256(body).hexdigest(), name, "its bytes")


def test_knowing_a_hash_isnt_having_the_picture():
    """Somebody who has read a picture's hash names it in a row of his own, even in its author's name."""
    with firm_with_reps(goods=False) as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync()
        sam.sync()
        path = picture(firm, "mine.png", 80, 60)
        content = path.read_bytes()
        row = lin.json("visit", "photo", visit_of(lin), path)
        lin.sync()
        name = row["sha256"]
        visit = visit_of(sam, "S1")
        customer = sam.json("show", "visit", visit)["customer_id"]
        people = {p["login"]: p["id"] for p in firm.query("SELECT login, hex(id) AS id FROM person")}

        def name_it(sha256, **more):
            sam.new("media", customer_id=customer, visit_id=visit, kind="photo", sha256=sha256, format="png",
                    size=len(content), width=80, height=60, **more)
            sam.sync()
        name_it("0" * 64)
        name_it(name)
        name_it(name, created_by=uuid.UUID(people["lin"]))
        equal([(e["code"], e["field"]) for e in sam.json("inbox")], [("not_permitted", "media.created_by")],
              "nobody takes a picture in another's name")
        wrong = bytes(len(content))

        def tried(sha256):
            got = []
            for method, body in (("GET", b""), ("PUT", b""), ("PUT", wrong), ("GET", b"")):
                status, headers, said = signed(firm, sam, method, f"/v1/blob/{sha256}/0", body)
                got.append((status, headers.get("upload-offset"), said[:10] if status != 200 else b""))
            return got
        answers = tried(name)
        equal([(status, offset) for status, offset, _ in answers], [(404, None), (200, "0"), (422, None), (404, None)],
              "neither its bytes nor a word that they are there")
        equal(answers, tried("0" * 64), "all as for one that nobody has")
        equal(signed(firm, lin, "GET", f"/v1/blob/{name}/0")[2], content, "its author has it as before")
        status, headers, _ = signed(firm, sam, "PUT", f"/v1/blob/{name}/0", content)
        equal((status, headers["upload-offset"]), (200, str(len(content))), "who has it brings it")
        equal(signed(firm, sam, "GET", f"/v1/blob/{name}/0")[2], content, "and may have it")
        firm.healthy()


def test_lies_about_a_picture():
    """A device that isn't ours: rows that name what is no picture, bytes that aren't what they say."""
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        visit = visit_of(lin)
        page = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
        huge = bytearray(png(60, 40))
        huge[16:24] = (10000).to_bytes(4, "big") * 2
        other = png(61, 40)
        customer = lin.json("show", "visit", visit)["customer_id"]
        for content, width, height, form in ((page, 60, 40, "png"), (bytes(huge), 10000, 10000, "png"),
                                             (other, 60, 40, "png"), (other, 61, 40, "jpeg")):
            name = hashlib.sha256(content).hexdigest()
            lin.new("media", customer_id=customer, visit_id=visit, kind="photo", sha256=name, format=form,
                    size=len(content), width=width, height=height)
            lin.sync()
            status, _, body = signed(firm, lin, "PUT", f"/v1/blob/{name}/0", content)
            equal((status, b"wrong_picture" in body), (422, True), f"{content[:20]!r} as {form} {width}x{height}")
            check(not on_server(firm, name).exists(), "isn't kept")
            lin.run("delete", "media", lin.json("list", "media")[0]["id"])
            lin.sync()
        good = png(62, 40)
        name = hashlib.sha256(good).hexdigest()
        lin.new("media", customer_id=customer, visit_id=visit, kind="photo", sha256=name, format="png",
                size=len(good), width=62, height=40)
        lin.sync()
        wrong = bytes(len(good))
        status, _, body = signed(firm, lin, "PUT", f"/v1/blob/{name}/0", wrong)
        equal((status, b"wrong_hash" in body), (422, True), "bytes that aren't what the name says")
        status, _, body = signed(firm, lin, "PUT", f"/v1/blob/{name}/0", good + b"x")
        equal(status, 413, "more than the row says")
        status, headers, _ = signed(firm, lin, "PUT", f"/v1/blob/{name}/7", good)
        equal((status, headers["upload-offset"]), (200, "0"), "a piece that doesn't follow changes nothing")
        status, headers, _ = signed(firm, lin, "PUT", f"/v1/blob/{name}/0", good)
        equal((status, headers["upload-offset"]), (200, str(len(good))), "the right one")


def test_quota():
    with firm_with_reps(goods=False) as firm:
        firm.stop()
        firm.options = ["--photo-quota", "1"]
        firm.start()
        lin = firm.device("lin")
        lin.sync()
        visit = visit_of(lin)
        for i in range(3):
            lin.json("visit", "photo", visit, picture(firm, f"{i}.png", 500, 350, seed=i))  # 525 KB each
        began = time.monotonic()
        result = lin.run("sync")
        check(time.monotonic() - began < 10, "nobody waits for tomorrow")
        check("today" in result.err, f"people are told why\n{result}")
        waiting = lin.json("status")
        equal(waiting["photos_waiting"], 2, "what the day allows went, the rest waits")
        name = lin.sql("SELECT sha256 FROM blob WHERE uploaded_at IS NULL")[0]["sha256"]
        offset = signed(firm, lin, "PUT", f"/v1/blob/{name}/0")[1]["upload-offset"]
        status, headers, body = signed(firm, lin, "PUT", f"/v1/blob/{name}/{offset}", bytes(PIECE))
        equal((status, b"quota" in body), (429, True), "the answer's code")
        check(int(headers["retry-after"]) > 60, f"and when to come again: {headers}")
        lin.run("visit", "log", "L2", "--outcome", "closed")
        equal(lin.sync()["pushed"], 1, "work goes on as before")
        firm.stop()
        firm.start()
        lin.run("sync")
        equal(lin.json("status")["photos_waiting"], 1, "a restart gives no new share: a piece was missing, no more")


def test_metered_lines():
    with firm_with_reps(goods=False) as firm:
        lin, mei = firm.device("lin"), firm.device("mei")
        lin.sync()
        path = picture(firm, "shelf.png", 300, 200)
        row = lin.json("visit", "photo", visit_of(lin), path)
        answer = lin.json("sync", "--network", "unmetered")
        equal((answer["photos_sent"], answer["photos_waiting"], answer["photo_bytes_waiting"]),
              (0, 1, path.stat().st_size), "the picture waits")
        check("unmetered" in lin.run("sync").err, "the choice is kept, and said")
        mei.sync()
        equal(thumb_of(mei.json("show", "media", row["id"])), thumb_of(row), "row and thumbnail went")
        result = mei.run("photo", "fetch", row["id"], expect=1)
        check("yet" in result.err, f"the whole isn't there yet\n{result}")
        lin.run("sync", env=environment(LEGWORK_METERED="0"))
        equal(lin.json("status")["photos_waiting"], 0, "on a line that costs nothing it goes")
        mei.run("photo", "fetch", row["id"])
        lin.json("visit", "photo", row["visit_id"], picture(firm, "next.png", 300, 200, seed=5))
        equal(lin.json("sync", "--network", "any")["photos_sent"], 1, "or when any line may be used")


def test_lost_before_it_was_sent():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        visit = visit_of(lin)
        gone = lin.json("visit", "photo", visit, picture(firm, "gone.png", 90, 60, seed=1))
        rotten = lin.json("visit", "photo", visit, picture(firm, "rotten.png", 90, 60, seed=2))
        good = lin.json("visit", "photo", visit, picture(firm, "good.png", 90, 60, seed=3))
        stored(lin, gone["sha256"]).unlink()
        with open(stored(lin, rotten["sha256"]), "r+b") as f:
            f.seek(500)
            f.write(b"rot")
        result = lin.run("sync")
        check("2 pictures are gone" in result.err, f"said\n{result}")
        lin.sync()
        equal({r["id"]: r["lost_at"] is not None for r in lin.json("list", "media")},
              {gone["id"]: True, rotten["id"]: True, good["id"]: False}, "their rows say so")
        lost = firm.query("SELECT count(*) AS n FROM media WHERE lost_at IS NOT NULL")
        equal(lost, [{"n": 2}], "on the server as well, as a change in the log")
        equal(sorted(p["place"] for p in lin.json("photo", "list")), ["here", "lost", "lost"], "the list")
        equal(lin.json("status")["photos_waiting"], 0, "nothing waits for ever")


def test_damage_on_the_server_is_found_and_mended():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        visit = visit_of(lin)
        rows = [lin.json("visit", "photo", visit, picture(firm, f"{i}.png", 90, 60, seed=i)) for i in range(3)]
        lin.sync()
        on_server(firm, rows[0]["sha256"]).unlink()
        on_server(firm, rows[1]["sha256"]).write_bytes(b"something else")
        result = firm.admin("verify", expect=1)
        for row in rows[:2]:
            check(row["sha256"] in result.err, f"verify names it\n{result}")
        found = firm.admin("photos", "check", "--ask", "--json").json()
        equal((found["whole"], found["missing"], found["wrong"], found["asked"]), (1, 1, 1, 2), "found, asked for")
        firm.admin("verify")
        equal(firm.admin("photos", "check", "--json").json()["awaited"], 2, "awaited from a device")
        lin.sync()
        equal(lin.sync()["photos_waiting"], 0, "brought again")
        for row in rows:
            equal(hashlib.sha256(on_server(firm, row["sha256"]).read_bytes()).hexdigest(), row["sha256"], "mended")
        firm.healthy()


def test_a_restore_brings_pictures_back():
    """Out of the backup's folder, and what isn't in it out of the devices that still have it."""
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        visit = visit_of(lin)
        rows = [lin.json("visit", "photo", visit, picture(firm, f"{i}.png", 90, 60, seed=i)) for i in range(3)]
        lin.sync()
        folder = firm.dir / "backups"
        folder.mkdir()
        for name, new in (("b1", 3), ("b2", 0)):
            made = firm.admin("backup", folder / name, "--json").json()
            equal(made["pictures"], {"there": 3, "copied": new, "missing": 0}, f"pictures of {name}")
        firm.admin("backup", folder / "b3", "--pictures", firm.dir / "elsewhere")
        check((firm.dir / "elsewhere").is_dir(), "a folder of one's own choice")
        equal(firm.admin("backup", folder / "b4", "--no-pictures", "--json").json()["pictures"]["there"], 0, "or none")
        rows.append(lin.json("visit", "photo", visit, picture(firm, "late.png", 90, 60, seed=9)))
        lin.sync()
        firm.stop()
        shutil.rmtree(firm.data / "blobs") # another machine
        lost, damaged = (folder / "pictures" / row["sha256"][:2] / row["sha256"][2:] for row in rows[:2])
        lost.unlink()
        damaged.chmod(0o600)
        damaged.write_bytes(b"something else")
        said = firm.admin("restore", folder / "b2", "--json")
        equal(said.json()["pictures"], {"there": 1, "copied": 1, "missing": 2}, "what came back")
        for row in rows[:2]:
            check(row["sha256"] in said.err, f"what is missing is named\n{said}")
        equal(firm.admin("photos", "check", "--json").json()["awaited"], 2, "asked for of whoever has it")
        firm.start()
        lin.sync()
        equal(lin.sync()["photos_waiting"], 0, "the device brought the others")
        equal(firm.admin("photos", "check", "--json").json(),
              {"whole": 4, "missing": 0, "wrong": 0, "awaited": 0, "asked": 0}, "none is missing")
        for row in rows:
            equal(hashlib.sha256(on_server(firm, row["sha256"]).read_bytes()).hexdigest(), row["sha256"], "mended")
        firm.healthy()


def age(folder, days):
    for path in (folder / "blobs").rglob("*"):
        if path.is_file():
            then = time.time() - days * 86400
            os.utime(path, (then, then))


def test_the_server_sweeps_by_itself():
    with firm_with_reps(goods=False) as firm:
        firm.stop()
        left = firm.data / "blobs" / "part" / f"{'ab' * 32}.1"
        left.write_bytes(b"left by a device that never came back")
        os.utime(left, (1, 1))
        firm.start()
        end = time.monotonic() + 15
        while left.exists():
            check(time.monotonic() < end, "it is still there")
            time.sleep(0.1)


def test_what_nothing_names_goes():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        visit = visit_of(lin)
        keep = lin.json("visit", "photo", visit, picture(firm, "keep.png", 90, 60, seed=1))
        drop = lin.json("visit", "photo", visit, picture(firm, "drop.png", 90, 60, seed=2))
        lin.sync()
        lin.run("delete", "media", drop["id"])
        age(lin.home, 30)
        lin.sync()
        firm.admin("photos", "sweep")
        check(on_server(firm, drop["sha256"]).exists(), "its days aren't over")
        age(firm.data, 8)
        (firm.data / "blobs" / "part" / f"{'ab' * 32}.1").write_bytes(b"left by a device that never came back")
        os.utime(firm.data / "blobs" / "part" / f"{'ab' * 32}.1", (1, 1))
        firm.admin("photos", "sweep")
        check(not on_server(firm, drop["sha256"]).exists(), "gone on the server")
        check(on_server(firm, keep["sha256"]).exists(), "what a row names stays")
        equal(parts(firm.data), [], "and the part that nobody finished")
        lin.json("visit", "photo", visit, picture(firm, "next.png", 90, 60, seed=3))
        lin.sync()
        check(not stored(lin, drop["sha256"]).exists(), "gone on the device")
        check(stored(lin, keep["sha256"]).exists(), "what a row names stays there too")
        # The same picture taken again comes back whole.
        again = lin.json("visit", "photo", visit, firm.dir / "drop.png")
        equal(lin.sync()["photos_sent"], 1, "sent anew")
        check(on_server(firm, again["sha256"]).exists(), "and there")
        # Each is copied once.
        check("3 pictures" in firm.admin("photos", "backup", firm.dir / "copy").out, "copied")
        check("0 pictures" in firm.admin("photos", "backup", firm.dir / "copy").out, "what is there isn't copied again")
        shutil.rmtree(firm.data / "blobs")
        shutil.copytree(firm.dir / "copy", firm.data / "blobs")
        equal(firm.admin("photos", "check", "--json").json()["whole"], 3, "and good for a restore")


def test_a_moved_customer_keeps_its_pictures():
    with firm_with_reps(goods=False) as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync()
        row = lin.json("visit", "photo", visit_of(lin), picture(firm, "shelf.png", 90, 60))
        lin.json("sync", "--network", "unmetered")  # the row goes, the picture waits
        firm.admin("move", "L1", "--to", "sam")
        lin.sync()
        equal(lin.json("photo", "list"), [], "the row left with its customer")
        equal(lin.json("sync", "--network", "any")["photos_sent"], 1, "its author still brings it")
        sam.sync()
        sam.run("photo", "fetch", row["id"])
        equal([p["place"] for p in sam.json("photo", "list")], ["here"], "whoever holds the customer has it")
        equal(signed(firm, lin, "GET", f"/v1/blob/{row['sha256']}/0")[0], 404, "and nobody else")


main(globals())
