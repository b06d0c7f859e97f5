// vectors.mjs PROTOCOL_FOLDER: reads protocol/vectors with cbor-x, by the text of README.md and the
// field names of changes.cddl, and compares with the JSON that stands beside each.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Decoder } from 'cbor-x'
import { Grammar } from './cddl_check.mjs'
import { column, small } from './columns.mjs'

const folder = path.join(process.argv[2], 'vectors')
const grammar = new Grammar(path.join(process.argv[2], 'changes.cddl'))
const decoder = new Decoder({ useRecords: false, mapsAsObjects: false })

// cbor-x gives what took eight bytes as BigInt, also where a number holds it.
function decode (bytes) {
  const plain = (x) => (Array.isArray(x) ? x.map(plain) : typeof x === 'bigint' ? small(x) : x)
  return plain(decoder.decode(bytes))
}

const KINDS = ['', 'hello', 'batch', 'end', 'answer', 'verdicts', 'scope_enter', 'scope_leave', 'rows',
  'departure', 'checkpoint', 'digest', 'fault', 'hint', 'enrol', 'enrolled', 'offer', 'witness', 'ask', 'parts',
  'want']
const SCOPES = ['', 'company', 'team', 'book', 'user', 'private', 'pool']

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const id = (bytes) => hex(bytes).padEnd(32, '0')
const scope = (bytes) => `${SCOPES[bytes[0]]}:${hex(bytes.subarray(1)).padEnd(32, '0')}`
const number = (n) => (typeof n === 'bigint' ? String(n) : n)

function value (v) {
  return v instanceof Uint8Array ? { bytes: hex(v) } : number(v)
}

// The fields of an array by the names that the grammar gives them; what isn't there is `undefined`.
function fields (rule, array) {
  const names = grammar.names(rule)
  return Object.fromEntries(names.map((name, i) => [name.replaceAll('-', '_'), array[i]]))
}

function timeline (f) {
  return { counter: f.timeline_counter ?? 0, id: id(f.timeline_id ?? []) }
}

function cursor (array, rule = 'cursor') {
  const f = fields(rule, array)
  const done = f.done ?? 0
  return { scope: scope(f.scope), done, pos: done + (f.ahead ?? 0), goal: f.goal ?? 0,
    head_no: f.head_no ?? 0, head: id(f.head ?? []) }
}

// Columns of many things, turned into things. `nothing` is what each has where a column is missing.
function things (count, columns) {
  const whole = Object.entries(columns).map(([name, [data, nothing, form]]) =>
    [name, data === undefined ? Array(count).fill(nothing) : column(data, count).map(form ?? number)])
  return Array.from({ length: count }, (_, i) => Object.fromEntries(whole.map(([name, list]) => [name, list[i]])))
}

const sum = (list, name) => list.reduce((n, thing) => n + thing[name], 0)

// Gives each owner its part of a flat list.
function share (owners, count, list) {
  let at = 0
  return owners.map((owner) => list.slice(at, (at += owner[count])))
}

function batch (f) {
  const txs = things(f.count ?? 0, {
    device_seq: [f.device_seq, 0], catalogue: [f.catalogue, 0], wall_ms: [f.wall_ms, 0],
    mono_ms: [f.mono_ms, 0], boot: [f.boot, id([]), id], seen_ms: [f.seen_ms, 0],
    intent: [f.intent, ''], change_count: [f.change_count, 0], rest_count: [f.rest_count, 0]
  })
  const shapeOf = things(sum(txs, 'change_count'), { shape: [f.shape_of_change, 0] })
  const shapes = (f.shapes ?? []).map((s, i) =>
    shape(s, shapeOf.filter((c) => c.shape === i).length).values())
  const changes = share(txs, 'change_count', shapeOf.map((c) => shapes[c.shape].next().value))
  const rests = share(txs, 'rest_count', things(sum(txs, 'rest_count'), { n: [f.rest_distance, 0] }))
  return {
    transactions: txs.map((tx, i) => {
      const { change_count: _, rest_count: __, ...own } = tx
      return { ...own, rests_on: rests[i].map((r) => tx.device_seq - r.n), changes: changes[i] }
    })
  }
}

function shape ([table, op, columns, ids, bases, ...data], count) {
  const id_ = column(ids, count).map(id)
  const base = column(bases, count).map(number)
  const cells = Array.from({ length: count }, () => [])
  for (const byte of columns) {
    const values = column(data.shift(), count).map(value)
    const olds = byte & 0x80 ? column(data.shift(), count).map(value) : null
    cells.forEach((list, i) =>
      list.push({ column: byte & 0x7f, value: values[i], ...(olds ? { old: olds[i] } : {}) }))
  }
  return cells.map((list, i) => ({ table, op, id: id_[i], base: base[i], cells: list }))
}

function verdicts (f) {
  const list = things(f.count ?? 0, {
    number: [f.number, 0], epoch: [f.epoch, 0], device_seq: [f.device_seq, 0],
    outcome: [f.outcome, 0], row_count: [f.row_count, 0], code: [f.code, ''],
    field: [f.field, ''], detail: [f.detail, ''], loser_count: [f.loser_count, 0]
  })
  const rows = things(sum(list, 'row_count'), {
    table: [f.row_table, 0], id: [f.row_id, id([]), id], scope: [f.row_scope, '', scope],
    seq: [f.row_seq, 0], unseen_count: [f.unseen_count, 0]
  })
  const unseen = share(rows, 'unseen_count', things(sum(rows, 'unseen_count'),
    { column: [f.unseen_column, 0], value: [f.unseen_value, null, value] }))
  const whole = rows.map(({ unseen_count: _, ...row }, i) => ({ ...row, unseen: unseen[i] }))
  const l = fields('losers', f.losers ?? [])
  const losers = things(sum(list, 'loser_count'), {
    table: [l.table, 0], id: [l.id, id([]), id], column: [l.column, 0],
    kept_id: [l.kept_id, id([]), id], kept: [l.kept, null, value], winner: [l.winner, null, value],
    winner_person: [l.winner_person, id([]), id], winner_at_ms: [l.winner_at_ms, 0]
  })
  const rowsOf = share(list, 'row_count', whole)
  const losersOf = share(list, 'loser_count', losers)
  return {
    verdicts: list.map(({ row_count: _, loser_count: __, ...v }, i) =>
      ({ ...v, rows: rowsOf[i], losers: losersOf[i] })),
    mac: id(f.mac ?? [])
  }
}

function offer (f) {
  const list = things(f.count ?? 0, { seq_count: [f.seq_count, 0] })
  const seqs = share(list, 'seq_count', things(sum(list, 'seq_count'), { seq: [f.seqs, 0] }))
  return {
    received_ms: f.received_ms ?? 0, mac: id(f.mac ?? []),
    entries: list.map((_, i) =>
      ({ identity: hex(f.identities.subarray(i * 32, i * 32 + 32)), seqs: seqs[i].map((s) => s.seq) }))
  }
}

function rows (f) {
  const count = f.count ?? 0
  const list = things(count, { id: [f.ids, id([]), id], seq: [f.seqs, 0] })
  const values = (f.values ?? []).map((data) => column(data, count).map(value))
  return {
    scope: scope(f.scope), table: f.table ?? 0, whole: f.whole ?? false,
    columns: [...(f.columns ?? [])],
    rows: list.map((row, i) => ({ ...row, values: values.map((v) => v[i]) }))
  }
}

const READ = {
  hello: (f) => ({
    protocol: f.protocol ?? 0, catalogue: f.catalogue ?? 0, cursors_under: f.cursors_under ?? 0,
    mask: f.mask ?? 0, device: id(f.device ?? []), epoch: f.epoch ?? 0, token: id(f.token ?? []),
    timeline: timeline(f), wall_ms: f.wall_ms ?? 0, mono_ms: f.mono_ms ?? 0, boot: id(f.boot ?? []),
    verdict_seen: f.verdict_seen ?? 0, flags: f.flags ?? 0,
    cursors: (f.cursors ?? []).map((c) => cursor(c))
  }),
  batch,
  end: (f) => f.sum === undefined ? {} : { sum: hex(f.sum) },
  answer: (f) => ({
    status: f.status ?? 0, protocol: f.protocol ?? 0, catalogue: f.catalogue ?? 0,
    server_ms: f.server_ms ?? 0, timeline: timeline(f), epoch: f.epoch ?? 0,
    token: id(f.token ?? []), mask: f.mask ?? 0, marks: (f.marks ?? []).map((c) => cursor(c)),
    courier_key: hex(f.courier_key ?? []).padEnd(64, '0')
  }),
  verdicts,
  scope_enter: (f) => ({ scope: scope(f.scope) }),
  scope_leave: (f) => ({ scope: scope(f.scope) }),
  rows,
  departure: (f) => ({
    scope: scope(f.scope), seq: f.seq ?? 0, table: f.table ?? 0, id: id(f.id ?? [])
  }),
  checkpoint: (f, array) => cursor(array, 'checkpoint'),
  digest: (f) => ({
    entries: (f.entries ?? []).map((array) => {
      const e = fields('digest-entry', array)
      return { scope: scope(e.scope), rows: e.rows ?? 0, sum: id(e.sum ?? []), table: e.table ?? 0 }
    })
  }),
  fault: (f) => ({
    code: f.code ?? '', detail: f.detail ?? '', server_ms: f.server_ms ?? 0, limit: f.limit ?? 0
  }),
  hint: (f) => ({ server_ms: f.server_ms ?? 0, advanced: f.advanced ?? false }),
  enrol: (f) => ({
    secret: hex(f.secret), public_key: hex(f.public_key), name: f.name ?? '', app: f.app ?? '',
    protocol: f.protocol ?? 0, certificate: hex(f.certificate ?? []),
    former: id(f.former ?? []), former_epoch: f.former_epoch ?? 0
  }),
  enrolled: (f) => ({
    device: id(f.device ?? []), device_number: f.device_number ?? 0, person: id(f.person ?? []),
    login: f.login ?? '', epoch: f.epoch ?? 0, token: id(f.token ?? []), timeline: timeline(f),
    digest_key: id(f.digest_key ?? []), server_ms: f.server_ms ?? 0,
    certificate: hex(f.certificate ?? [])
  }),
  offer,
  witness: rows,
  ask: (f) => ({
    contents: f.contents ?? false,
    parts: things(f.count ?? 0, { scope: [f.scope, '', scope], table: [f.table, 0], bucket: [f.bucket, 0] })
  }),
  parts: (f) => ({
    parts: things(f.count ?? 0, {
      scope: [f.scope, '', scope], table: [f.table, 0], bucket: [f.bucket, 0], listed: [f.listed, 0],
      rows: [f.rows, 0], sum: [f.sum, id([]), id]
    }),
    rows: things(f.row_count ?? 0, { id: [f.row_id, id([]), id], seq: [f.row_seq, 0], sum: [f.row_sum, id([]), id] })
  }),
  want: (f) => ({ rows: things(f.count ?? 0, { table: [f.table, 0], id: [f.id, id([]), id] }) })
}

function transaction (array) {
  const f = fields('transaction', array)
  const cell = ([n, v, ...old]) =>
    ({ column: n, value: value(v), ...(old.length ? { old: value(old[0]) } : {}) })
  return {
    catalogue: f.catalogue, wall_ms: f.wall_ms, mono_ms: f.mono_ms, boot: id(f.boot),
    seen_ms: f.seen_ms, intent: f.intent,
    changes: f.changes.map(([table, op, id_, base, cells]) =>
      ({ table, op, id: id(id_), base, cells: cells.map(cell) }))
  }
}

function * vectors (kind) {
  for (const file of fs.readdirSync(path.join(folder, kind)).filter((f) => f.endsWith('.hex'))) {
    const at = path.join(folder, kind, file)
    const bytes = Buffer.from(fs.readFileSync(at, 'utf8').replaceAll(/\s/g, ''), 'hex')
    yield { name: file.slice(0, -4), bytes, json: JSON.parse(fs.readFileSync(at.replace(/hex$/, 'json'), 'utf8')) }
  }
}

let count = 0
const seen = new Set()
for (const { name, bytes, json } of vectors('valid')) {
  const array = decode(bytes)
  const kind = KINDS[array[0]]
  const rule = kind.replaceAll('_', '-')
  grammar.check(rule, array, name)
  grammar.check('message', array, name)
  const got = { message: kind, ...READ[kind](fields(rule, array), array) }
  assert.deepEqual(got, json, name)
  seen.add(kind)
  count++
}
assert.deepEqual([...seen].sort(), KINDS.slice(1).sort(), 'each kind has a vector')
assert.deepEqual(grammar.choices('message').map((r) => r.replaceAll('-', '_')).sort(), KINDS.slice(1).sort())

for (const { name, bytes, json } of vectors('identity')) {
  const array = decode(bytes)
  grammar.check('transaction', array, name)
  assert.deepEqual(transaction(array), json.transaction, name)
  assert.equal(crypto.createHash('sha256').update(bytes).digest('hex'), json.identity, name)
  count++
}

// RFC 9421, by hand.
const r = JSON.parse(fs.readFileSync(path.join(folder, 'signature/request.json'), 'utf8'))
const digest = crypto.createHash('sha256').update(r.body).digest('base64')
assert.equal(r['content-digest'], `sha-256=:${digest}:`)
const base = `"@method": ${r.method}\n"@path": ${r.path}\n"content-digest": ${r['content-digest']}\n` +
  `"@signature-params": ${r['signature-input'].slice(2)}`
const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(r.public_key, 'hex')])
const key = crypto.createPublicKey({ key: der, format: 'der', type: 'spki' })
assert.ok(crypto.verify(null, Buffer.from(base), key, Buffer.from(r.signature.slice(3, -1), 'base64')))
const keyid = crypto.createHash('sha256').update(Buffer.from(r.public_key, 'hex')).digest().subarray(0, 9)
assert.ok(r['signature-input'].endsWith(`;keyid="${keyid.toString('base64url')}"`))

console.log(`${count} vectors and a signature read alike`)
