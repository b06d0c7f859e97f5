"""Pictures for the end-to-end tests, made of nothing but zlib."""
import base64
import random
import struct
import zlib


def png(width, height, seed=0, noise=True):
    """A PNG of noise (which doesn't shrink, so it has about 3 bytes a pixel) or of one colour."""
    chance = random.Random(seed)
    row = (lambda: b"\0" + chance.randbytes(width * 3)) if noise else (lambda: b"\0" + b"\x20\x60\xa0" * width)
    body = zlib.compress(b"".join(row() for _ in range(height)), 1)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg_size(data):
    """Width and height of a JPEG as written by libjpeg."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    height, width = struct.unpack(">HH", data[at + 5:at + 9])
    return width, height


def thumb_of(row):
    return base64.b64decode(row["thumb"])
