// Columns as README.md tells them, written from that text alone.
import assert from 'node:assert/strict'

const wrap = (n) => BigInt.asIntN(64, n)
export const small = (n) => (n >= Number.MIN_SAFE_INTEGER && n <= Number.MAX_SAFE_INTEGER ? Number(n) : n)

function numbers (planes, count) {
  const width = count ? planes.length / count : 0
  assert.ok(Number.isInteger(width) && width <= 8)
  return Array.from({ length: count }, (_, i) => {
    let n = 0n
    for (let plane = 0; plane < width; plane++) {
      n = n << 8n | BigInt(planes[plane * count + i])
    }
    return n
  })
}

const unzigzag = (n) => (n & 1n ? -1n - (n >> 1n) : n >> 1n)

const READ = [
  (count, ...values) => values,
  (count, first, planes) => {
    let n = BigInt(first)
    return [small(n), ...numbers(planes, count - 1).map((d) => small(n = wrap(n + unzigzag(d))))]
  },
  (count, least, planes) => numbers(planes, count).map((n) => small(wrap(BigInt(least) + n))),
  (count, planes) => {
    const size = planes.length / count
    return Array.from({ length: count }, (_, i) =>
      Buffer.from(Array.from({ length: size }, (_, plane) => planes[plane * count + i])))
  },
  (count, bits, inner) => {
    const has = Array.from({ length: count }, (_, i) => bits[i >> 3] >> (i & 7) & 1)
    const values = column(inner, has.filter(Boolean).length).values()
    return has.map((h) => (h ? values.next().value : null))
  },
  (count, different, values, indexes) => {
    const list = column(values, different)
    return column(indexes, count).map((i) => list[i])
  },
  (count, places, integers) => column(integers, count).map((n) => Number(n) / 10 ** places),
  (count, sizes, text) => {
    const bytes = Buffer.from(text)
    let at = 0
    const texts = column(sizes, count).map((size) => bytes.subarray(at, (at += size)).toString())
    assert.equal(at, bytes.length)
    return texts
  }
]

export function column (data, count) {
  if (!Array.isArray(data)) {
    return Array(count).fill(data)
  }
  const values = READ[data[0]](count, ...data.slice(1))
  assert.equal(values.length, count)
  return values
}
