import type { JsonSchema } from '../../../src/core/protocol/json-schema.ts'

const files = {
  type: 'array',
  items: { type: 'object', required: ['uri'], properties: { uri: { type: 'string' } } },
}
/** One object for each `kind`, told apart by it. */
export const TASK: JsonSchema = {
  type: 'object',
  required: ['kind', 'task_id'],
  properties: { kind: { enum: ['request', 'accept', 'cancel'] }, task_id: { type: 'string' } },
  oneOf: [
    {
      properties: {
        kind: { const: 'request' },
        task_id: {},
        title: { type: 'string' },
        files: { $ref: '#/$defs/files' },
      },
      required: ['title'],
      additionalProperties: false,
    },
    {
      properties: { kind: { const: 'accept' }, task_id: {}, eta_seconds: { type: 'number' } },
      additionalProperties: false,
    },
    { properties: { kind: { const: 'cancel' }, task_id: {} }, additionalProperties: false },
  ],
  $defs: { files },
}

/** Schemas with payloads that fit, and payloads that do not fit in a way that types can say. */
export const CASES: [what: string, schema: JsonSchema, good: unknown[], bad: unknown[]][] = [
  ['anything', true, [1, null, {}], []],
  ['nothing', false, [], [1, null, {}]],
  ['a text', { type: 'string', minLength: 2 }, ['a'], [1, null]],
  ['numbers', { type: ['integer', 'number'] }, [1, 1.5], ['1']],
  ['a boolean or null', { type: ['boolean', 'null'] }, [true, null], ['true', 0]],
  ['null', { type: 'null' }, [null], [0, '']],
  ['a constant', { const: 'a"b' }, ['a"b'], ['a', 1]],
  [
    'constants of all kinds',
    { enum: [-1, 1e21, null, true, [1, 'a'], { a: { b: [] } }, {}] },
    [-1, 1e21, [1, 'a'], { a: { b: [] } }, {}],
    [2, [1], { b: 1 }],
  ],
  ['no constant', { enum: [] }, [], [1]],
  ['half a surrogate pair', { enum: ['\ud800', { '\ud801': 1 }] }, ['\ud800', { '\ud801': 1 }], ['\ud801']],
  [
    'a closed object',
    { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false },
    [{}, { a: 'x' }],
    [{ a: 1 }, { b: 1 }, 'a', null, []],
  ],
  [
    'an open object',
    { type: 'object', properties: { a: { type: 'string' } }, required: ['a', 'b'] },
    [
      { a: 'x', b: 1 },
      { a: 'x', b: null, c: [] },
    ],
    [{ a: 'x' }, { a: 1, b: 1 }],
  ],
  ['an empty object', { type: 'object', additionalProperties: false }, [{}], [{ a: 1 }, 1, 'a']],
  ['a map', { type: 'object', additionalProperties: { type: 'number' } }, [{}, { a: 1 }], [{ a: 'x' }]],
  [
    'a map by patterns',
    {
      type: 'object',
      patternProperties: { '^a': { type: 'number' }, '^b': { type: 'string' } },
      additionalProperties: false,
    },
    [{ a: 1, b: 'x' }],
    [{ a: null }],
  ],
  [
    'a map beside members',
    { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'number' } },
    [{ a: 'x', b: 1 }],
    [{ a: 1 }],
  ],
  [
    'members under any name',
    {
      type: 'object',
      additionalProperties: false,
      required: ['new', 'constructor'],
      properties: {
        new: {},
        get: { type: 'number' },
        set: {},
        readonly: {},
        constructor: { type: 'string' },
        toString: { type: 'string' },
        '0': {},
        'a b': {},
        'a"b': {},
        '': {},
        ünder: {},
        'x\u2028': {},
      },
    },
    [
      {
        new: 1,
        get: 1,
        constructor: 'x',
        toString: 'x',
        '0': 1,
        'a b': 1,
        'a"b': 1,
        '': 1,
        ünder: 1,
        'x\u2028': 1,
      },
    ],
    [{ new: 1, constructor: 'x', get: 'x' }, { new: 1, constructor: 1 }, {}],
  ],
  [
    'optional members that every object inherits',
    { type: 'object', properties: { toString: { type: 'string' }, constructor: { type: 'string' }, a: {} } },
    [{}, { a: 1 }, { toString: 'x' }],
    [],
  ],
  [
    'names of half a surrogate pair',
    {
      type: 'object',
      additionalProperties: false,
      properties: { '\ud800': { type: 'number' }, '\ud801': {} },
    },
    [{ '\ud800': 1, '\ud801': 'x' }],
    [{ '\ud800': 'x' }, { '\ud802': 1 }],
  ],
  ['no member of that name', { type: 'object', properties: { a: false } }, [{}, { b: 1 }], [{ a: 1 }]],
  ['a list', { type: 'array', items: { type: ['string', 'null'] } }, [[], ['a', null]], [[1], {}, 'a']],
  ['any list', { type: 'array' }, [[], [1, 'a']], [{}]],
  ['no items', { type: 'array', items: false }, [[]], [[1]]],
  [
    'a tuple',
    { type: 'array', prefixItems: [{ type: 'string' }, { enum: [1, 2] }], minItems: 1, items: false },
    [['a'], ['a', 1]],
    [[], [1], ['a', 3], ['a', 1, 1]],
  ],
  [
    'a tuple with a rest',
    { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'number' } },
    [[], ['a'], ['a', 1, 2]],
    [['a', 'b']],
  ],
  ['an open tuple', { type: 'array', prefixItems: [{ type: 'string' }] }, [['a', 1, null]], [[1]]],
  [
    'a tuple of draft-07',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'array',
      items: [{ type: 'string' }],
      additionalItems: false,
    },
    [[], ['a']],
    [[1], ['a', 1]],
  ],
  [
    'either of two',
    {
      anyOf: [
        { type: 'string' },
        {
          type: 'object',
          properties: { a: { type: 'number' } },
          required: ['a'],
          additionalProperties: false,
        },
      ],
    },
    ['a', { a: 1 }],
    [1, { a: 'x' }, {}],
  ],
  ['either of anything', { oneOf: [{ type: 'string' }, { minimum: 3 }] }, ['a', 1, null], []],
  [
    'all of two',
    {
      allOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { type: 'object', properties: { b: { type: 'number' } } },
      ],
    },
    [{ a: 'x' }, { a: 'x', b: 1, c: 1 }],
    [{ b: 1 }, { a: 'x', b: 'x' }],
  ],
  [
    'a type with alternatives',
    { type: 'object', anyOf: [{ required: ['a'] }, { required: ['b'] }] },
    [{ a: 1 }, { b: 1, c: 1 }],
    [{}, { c: 1 }, 'a'],
  ],
  [
    'alternatives that say nothing of members',
    {
      type: 'object',
      properties: { a: { type: 'string' } },
      anyOf: [{ minProperties: 1 }, { type: 'object' }],
    },
    [{ a: 'x', b: 1 }],
    [{ a: 1 }],
  ],
  [
    'alternatives of which one names its members',
    { type: 'object', properties: { a: { type: 'string' } }, anyOf: [{ properties: { b: {} } }, true] },
    [{ a: 'x', c: 1 }],
    [{ a: 1 }],
  ],
  [
    'cases told apart by one member',
    TASK,
    [
      { kind: 'request', task_id: '1', title: 'x', files: [{ uri: 'x', y: 1 }] },
      { kind: 'accept', task_id: '1', eta_seconds: 1 },
      { kind: 'cancel', task_id: '1' },
    ],
    [
      { kind: 'accept', task_id: '1', title: 'x' },
      { kind: 'request', task_id: '1' },
      { kind: 'cancel', task_id: 1 },
      { kind: 'cancel' },
      { kind: 'other', task_id: '1' },
      { kind: 'request', task_id: '1', title: 'x', files: [{}] },
    ],
  ],
  [
    'members without a type: other values pass',
    { properties: { a: { type: 'string' } } },
    [{ a: 'x' }, 1, 'a', null, []],
    [{ a: 1 }],
  ],
  ['items without a type: other values pass', { items: { type: 'string' } }, [['a'], 1, {}], [[1]]],
  [
    'a tree',
    {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#' } } },
    },
    [{ name: 'a', children: [{ name: 'b', children: [] }] }],
    [{ name: 'a', children: [{}] }],
  ],
  [
    'a list of lists',
    { $ref: '#/$defs/list', $defs: { list: { type: ['array', 'null'], items: { $ref: '#/$defs/list' } } } },
    [null, [null, [[]]]],
    [[1], 1],
  ],
  [
    'a reference with more beside it',
    {
      $ref: '#/$defs/a',
      type: 'object',
      properties: { b: { type: 'string' } },
      $defs: { a: { type: 'object', properties: { a: { type: 'string' } } } },
    },
    [{ a: 'x', b: 'x' }],
    [{ a: 1 }, { b: 1 }],
  ],
  [
    'a reference of draft-07, which hides what is beside it',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      properties: { a: { $ref: '#/definitions/a', type: 'number' } },
      type: 'object',
      definitions: { a: { type: 'string' } },
    },
    [{ a: 'x' }],
    [{ a: 1 }],
  ],
  [
    'references by escaped pointers',
    {
      type: 'object',
      properties: {
        a: { $ref: '#/$defs/x~1y%20z~0' },
        b: { $ref: '#/$defs/list/0' },
        c: { $ref: '#/$defs/no' },
      },
      $defs: { 'x/y z~': { type: 'string' }, list: [{ type: 'number' }], no: false },
    },
    [{ a: 'x', b: 1 }],
    [{ a: 1 }, { b: 'x' }, { c: 1 }],
  ],
  [
    'references that are not read',
    {
      type: 'object',
      properties: {
        a: { $ref: '#anchor' },
        b: { $ref: '#/nowhere' },
        c: { $ref: 'other.json' },
        d: { $ref: '#/$defs/%' },
        e: { $dynamicRef: '#x' },
        f: { $ref: '#/type/0' },
        g: { $ref: 7 },
      },
    },
    [{ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 }],
    [],
  ],
  [
    'references that go round',
    {
      type: 'object',
      properties: { a: { $ref: '#/$defs/a' }, b: { $ref: '#/$defs/b' }, s: { $ref: '#/$defs/s' } },
      $defs: {
        a: { $ref: '#/$defs/b' },
        b: { anyOf: [{ $ref: '#/$defs/a' }, { type: 'null' }] },
        s: { $ref: '#/$defs/s' },
      },
    },
    [{ a: 1, b: 1, s: 1 }],
    [],
  ],
  ['a root that refers to itself', { $ref: '#', allOf: [{ $ref: '#' }] }, [1], []],
  [
    'a document in the document',
    {
      type: 'object',
      properties: {
        a: {
          $id: 'https://example.org/a',
          type: 'object',
          properties: { up: { $ref: '#/$defs/b' } },
          $defs: { b: { type: 'number' } },
        },
        z: { $ref: '#/properties/a/properties/up' },
      },
      $defs: { b: { type: 'string' } },
    },
    [{ a: { up: 1 }, z: 1 }],
    [{ a: { up: 'x' } }, { z: 'x' }],
  ],
  [
    'what is not read',
    { type: 'object', properties: { a: { not: { type: 'string' } }, b: { if: true, else: false } } },
    [{ a: 'x', b: 1 }],
    [],
  ],
  ['a type that there is not', { type: 'strng' } as JsonSchema, [1, 'a'], []],
]
