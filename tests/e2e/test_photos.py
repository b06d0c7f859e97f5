#!/usr/bin/env python3
"""Pictures: taken without a network, seen by others as thumbnails with the next sync, their bytes
brought to the server in pieces that are never sent twice, and given to nobody who holds no row that
names them."""
import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, environment, equal, main
from pictures import jpeg_size, png, thumb_of
from sample import firm_with_reps


def picture(firm, name, *args, **options):
    path = firm.dir / name
    path.write_bytes(png(*args, **options))
    return path


def visit_of(device, customer="L1"):
    device.run("visit", "log", customer, "--outcome", "closed")
    return device.json("list", "visit")[0]["id"]


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
        equal((firm.data / "blobs" / row["sha256"][:2] / row["sha256"][2:]).read_bytes(), content, "the server's copy")
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
        # The same picture again, by another device: the server has it, and no byte goes.
        sam.run("visit", "log", "S1", "--outcome", "closed")
        sam.json("visit", "photo", sam.json("list", "visit")[0]["id"], path)
        answer = sam.sync()
        equal((answer["photos_sent"], answer["photo_bytes_sent"]), (1, 0), "what is there isn't sent")
        for device in (lin, mei, sam):
            device.run("verify")
        firm.healthy()


main(globals())
