import { describe, expect, test } from 'bun:test'
import { describeTarget, keyPrefix, parseTarget } from '../../src/core/redis-target.ts'

const NOBODY = { username: undefined, password: undefined }

describe('the URL of Redis', () => {
  test.each([
    [
      'redis://localhost',
      {
        form: 'standalone',
        tls: false,
        ...NOBODY,
        endpoints: [{ host: 'localhost', port: 6379 }],
        database: 0,
      },
    ],
    [
      'rediss://user:p%40ss%2F@[::1]:7000/5',
      {
        form: 'standalone',
        tls: true,
        username: 'user',
        password: 'p@ss/',
        endpoints: [{ host: '::1', port: 7000 }],
        database: 5,
      },
    ],
    [
      'redis://:secret@h:1',
      {
        form: 'standalone',
        tls: false,
        username: undefined,
        password: 'secret',
        endpoints: [{ host: 'h', port: 1 }],
        database: 0,
      },
    ],
    [
      'redis+sentinel://u:p@h1:1,h2,h3:3/mymaster/2?sentinelPassword=s%26t',
      {
        form: 'sentinel',
        tls: false,
        username: 'u',
        password: 'p',
        endpoints: [
          { host: 'h1', port: 1 },
          { host: 'h2', port: 26379 },
          { host: 'h3', port: 3 },
        ],
        master: 'mymaster',
        sentinel_password: 's&t',
        database: 2,
      },
    ],
    [
      'rediss+cluster://h1:1,h2:2',
      {
        form: 'cluster',
        tls: true,
        ...NOBODY,
        endpoints: [
          { host: 'h1', port: 1 },
          { host: 'h2', port: 2 },
        ],
      },
    ],
  ])('%s', (url, target) => {
    expect(parseTarget(url)).toEqual(target as never)
  })

  test.each([
    ['http://secret@h', 'must begin with redis://'],
    ['redis:secret', 'must begin with redis://'],
    ['redis://user:secret/@h', 'names each server as host:port, which number 1'],
    ['redis://h:secret', 'names each server as host:port'],
    ['redis://h:0', 'names each server as host:port'],
    ['redis://h1,h2', 'names one server'],
    ['redis://h/secret', 'names a database by its number'],
    ['redis://h/99999', 'names a database by its number'],
    ['redis://h?secret=1', 'takes parameters with redis+sentinel:// alone'],
    ['redis://u:secret%@h', 'not followed by two hexadecimal digits'],
    ['redis+sentinel://h', 'ends with the name of the master'],
    ['redis+sentinel://h/m/1/secret', 'ends with the name of the master'],
    ['redis+sentinel://h/m?secret=x', 'takes the parameter sentinelPassword'],
    ['redis+cluster://h/1', 'has no numbered databases'],
  ])('%s is refused in a sentence without credentials', (url, sentence) => {
    let said = ''
    try {
      parseTarget(url)
    } catch (error) {
      said = String(error)
    }
    expect(said).toContain(sentence)
    expect(said).not.toContain('secret')
  })

  test.each([
    ['redis://u:secret@localhost/0', 'redis://localhost:6379'],
    ['rediss://:secret@[::1]:7/3', 'rediss://[::1]:7/3'],
    ['redis+sentinel://u:secret@a,b/m/1?sentinelPassword=secret', 'redis+sentinel://a:26379,b:26379/m/1'],
    ['rediss+cluster://u:secret@a:1,b:2', 'rediss+cluster://a:1,b:2'],
  ])('%s is shown as %s', (url, shown) => {
    expect(describeTarget(parseTarget(url))).toBe(shown)
  })

  test('keys begin with the prefix and the database', () => {
    expect(keyPrefix('mcp-broker:', parseTarget('redis://h/3'))).toBe('mcp-broker:3:')
    expect(keyPrefix('', parseTarget('redis+cluster://h'))).toBe('0:')
    for (const prefix of ['a{b', 'a}', 'a b', 'x'.repeat(65)])
      expect(() => keyPrefix(prefix, parseTarget('redis://h'))).toThrow('no braces and no white space')
  })
})
