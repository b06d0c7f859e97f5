// Holds decoded CBOR against a grammar that npm's cddl has parsed: as much of RFC 8610 as
// changes.cddl uses (choices, ranges, sizes, arrays with optional and repeated elements).
import assert from 'node:assert/strict'
import { parse } from 'cddl'

const PLAIN = {
  null: (x) => x === null,
  bool: (x) => typeof x === 'boolean',
  uint: (x) => isInteger(x) && x >= 0,
  float: (x) => typeof x === 'number',
  tstr: (x) => typeof x === 'string',
  bstr: (x) => x instanceof Uint8Array
}

function isInteger (x) {
  return typeof x === 'bigint' || Number.isInteger(x)
}

export class Grammar {
  constructor (file) {
    this.rules = new Map(parse(file).map((rule) => [rule.Name, rule]))
    for (const rule of this.rules.values()) {
      this.#references(rule, rule.Name)
    }
  }

  // Every name that a rule uses must be a rule.
  #references (node, where) {
    if (Array.isArray(node)) {
      node.forEach((n) => this.#references(n, where))
    } else if (node && typeof node === 'object') {
      if (node.Type === 'group' && typeof node.Value === 'string') {
        assert.ok(this.rules.has(node.Value), `${where}: ${node.Value} is no rule`)
      }
      Object.values(node).forEach((n) => this.#references(n, where))
    }
  }

  names (rule) {
    return this.rules.get(rule).Values.map((v) => v.Name)
  }

  choices (rule) {
    return this.rules.get(rule).PropertyType.map((t) => t.Value)
  }

  check (rule, data, what) {
    assert.ok(this.#fitsRule(this.rules.get(rule), data), `${what} isn't ${rule} of changes.cddl`)
  }

  #fitsRule (rule, data) {
    return rule.Type === 'array' ? this.#fitsArray(rule.Values, data) : this.#fitsAny(rule.PropertyType, data)
  }

  #fitsAny (types, data) {
    return (Array.isArray(types) ? types : [types]).some((type) => this.#fits(type, data))
  }

  #fits (type, data) {
    if (typeof type === 'string') {
      return PLAIN[type](data)
    }
    switch (type.Type) {
      case 'group': return this.#fitsRule(this.rules.get(type.Value), data)
      case 'array': return this.#fitsArray(type.Values, data)
      case 'literal': return data === type.Value
      case 'range': return isInteger(data) && this.#inRange(type.Value, data)
      default: return PLAIN[type.Type](data) && this.#hasSize(type.Operator, data)
    }
  }

  #inRange (range, n) {
    return Number(n) >= range.Min.Value && Number(n) <= range.Max.Value
  }

  #hasSize (operator, data) {
    if (!operator) {
      return true
    }
    assert.equal(operator.Type, 'size')
    const size = Buffer.byteLength(data)
    const { Type, Value } = operator.Value
    return Type === 'range' ? this.#inRange(Value, size) : size === Value
  }

  // Elements stand in order; only the last ones may be missing, so there is nothing to try twice.
  #fitsArray (elements, data) {
    if (!Array.isArray(data)) {
      return false
    }
    let at = 0
    for (const { Occurrence: { n, m }, Type } of elements) {
      let taken = 0
      while (at < data.length && (m === null || taken < m) && this.#fitsAny(Type, data[at])) {
        at++
        taken++
      }
      if (taken < n) {
        return false
      }
    }
    return at === data.length
  }
}
