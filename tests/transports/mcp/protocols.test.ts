import { describe, expect, test } from 'bun:test'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { READY_PROTOCOLS } from '../../../src/core/protocol/ready/index.ts'
import { ERROR_META_KEY } from '../../../src/transports/mcp/result.ts'
import { LETTERS, MAIL, NOTE, STEPS, texts } from '../../broker/protocols/rig.ts'
import { startBroker, until } from '../../harness.ts'
import { type Agent, agent, ERAS, outputOf, textOf } from './client.ts'

/** The entry of the catalogue in a tool error. */
function refusedWith(result: CallToolResult): Record<string, unknown> {
  expect(result.isError).toBe(true)
  return result._meta![ERROR_META_KEY] as Record<string, unknown>
}

function checkIn({ client_id, call }: Agent, protocols: Record<string, string>) {
  return call('checkin_client', { client_id, capabilities: { protocols } })
}

/** The payload that a text shows. */
function exampleIn(text: string): unknown {
  return JSON.parse(/^- A payload that fits: (.*)$/m.exec(text)?.[1] ?? 'null')
}

for (const era of ERAS)
  describe(`protocols for a client of the ${era} era`, () => {
    test('a sender of 1.x and a recipient of 3.x, and the reverse, talk to each other', async () => {
      await using app = await startBroker()
      await using old = await agent(era, app, 'old')
      await using recent = await agent(era, app, 'recent')
      for (const definition of MAIL)
        expect(outputOf(await old.call('register_protocol', definition))).toMatchObject({ created: true })
      await checkIn(old, { mail: '1.x' })
      await checkIn(recent, { mail: '3.x' })
      const send = (from: Agent, to: Agent, version: '1.0.0' | '3.0.0') =>
        from.call('send_message', {
          recipient_id: to.client_id,
          protocol_name: 'mail',
          payload: LETTERS[version],
        })
      expect(outputOf(await send(old, recent, '1.0.0'))).toMatchObject({
        protocol_version: '3.0.0',
        adapted_from: { version: '1.0.0', steps: STEPS.up },
      })
      await send(recent, old, '3.0.0')
      const read = await recent.call('get_messages')
      expect(outputOf(read).messages).toMatchObject([
        { payload: LETTERS['3.0.0'], protocol_version: '3.0.0' },
      ])
      expect(textOf(read)).toContain('protocol mail 3.0.0, adapted from 1.0.0')
      expect(outputOf(await old.call('get_messages')).messages).toMatchObject([
        { payload: LETTERS['1.0.0'], adapted_from: { version: '3.0.0', steps: STEPS.down } },
      ])
    })

    test('a wrong first try is answered, in the text too, with a payload that is accepted as it stands', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      for (const { name } of READY_PROTOCOLS) {
        const to = { recipient_id: 'bob', protocol_name: name }
        const result = await alice.call('send_message', { ...to, payload: { kind: 'reject', task_id: 7 } })
        const refusal = refusedWith(result)
        expect(refusal).toMatchObject({ code: 'payload_invalid', errors_total: expect.any(Number) })
        expect(refusal.field).toStartWith('/payload')
        expect(textOf(result)).toStartWith(`payload_invalid: The payload does not fit ${name} 1.0.0: `)
        for (const { sentence } of refusal.errors as { sentence: string }[])
          expect(textOf(result)).toContain(sentence)
        expect(exampleIn(textOf(result))).toEqual(refusal.example)
        outputOf(await alice.call('send_message', { ...to, payload: exampleIn(textOf(result)) }))
      }
    })

    test('a question waits for a reply in the version of its sender', async () => {
      await using app = await startBroker()
      await using old = await agent(era, app, 'old')
      await using recent = await agent(era, app, 'recent')
      for (const definition of MAIL) await old.call('register_protocol', definition)
      await checkIn(old, { mail: '1.x' })
      await checkIn(recent, { mail: '3.x' })
      const question = { protocol_name: 'mail', recipient_id: 'recent', timeout: 10 }
      const wrong = await old.call('send_message_and_wait', { ...question, payload: 'no' })
      expect(refusedWith(wrong)).toMatchObject({ code: 'payload_invalid', field: '/payload' })
      const asked = old.call('send_message_and_wait', { ...question, payload: LETTERS['1.0.0'] })
      const [read] = outputOf(await recent.call('get_messages', { wait_seconds: 5 })).messages as [
        { message_id: string },
      ]
      await recent.call('send_message', {
        recipient_id: 'old',
        in_reply_to: read.message_id,
        protocol_name: 'mail',
        payload: LETTERS['3.0.0'],
      })
      expect(outputOf(await asked)).toMatchObject({
        timed_out: false,
        protocol_version: '3.0.0',
        reply: { payload: LETTERS['1.0.0'], protocol_version: '1.0.0' },
      })
    })

    test('errors name the field and the fix, and the text says all that a model needs', async () => {
      await using app = await startBroker({ protocol_mode: 'registered' })
      await using alice = await agent(era, app, 'alice')
      const call = async (name: string, input: Record<string, unknown>) => {
        const result = await alice.call(name, input)
        return { refusal: refusedWith(result), text: textOf(result) }
      }
      const breaking = { name: 'note', version: '1.1.0', schema: texts('text', 'title') }
      await alice.call('register_protocol', { ...breaking, version: '1.0.0', schema: texts('text') })
      const broken = await call('register_protocol', breaking)
      expect(broken.refusal).toMatchObject({ code: 'protocol_breaking', field: '/version' })
      const [{ sentence }] = broken.refusal.reasons as [{ sentence: string }]
      expect(broken.text).toContain(`\n- ${sentence}`)
      const typo = await call('register_protocol', {
        ...breaking,
        version: '2.0.0',
        schema: { type: 'strng' },
      })
      expect(typo.refusal).toMatchObject({ code: 'schema_invalid', field: '/schema/type', path: '/type' })
      const unknown = await call('send_message', { recipient_id: 'b', protocol_name: 'chta', payload: 1 })
      expect(unknown.text).toContain('No protocol "chta" is registered. Did you mean chat?')
      const range = await call('checkin_client', {
        client_id: 'alice',
        capabilities: { protocols: { chat: 'latest' } },
      })
      expect(range.refusal).toMatchObject({
        field: '/capabilities/protocols/chat',
        next: 'Write "*" for any version that is not a prerelease.',
      })
      const version = await call('register_protocol', { ...breaking, version: 'v2' })
      expect(version.text).toContain('Write 2.0.0.')
    })

    test('an adapter that fails names its operation and the path', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      await using bob = await agent(era, app, 'bob')
      for (const definition of NOTE) await alice.call('register_protocol', definition)
      await checkIn(bob, { note: '2.x' })
      const result = await alice.call('send_message', {
        recipient_id: 'bob',
        protocol_name: 'note',
        protocol_version: '1.0.0',
        payload: { text: 'b' },
      })
      expect(refusedWith(result)).toMatchObject({ code: 'adapter_failed', op: 1, path: '/subject' })
      expect(textOf(result)).toContain('at operation 1 (move), at "/subject"')
    })

    test('protocols are resources, read and listed', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      for (const definition of MAIL) await alice.call('register_protocol', definition)
      const { resources } = await alice.client.listResources()
      expect(resources.map(({ uri }) => uri)).toEqual([
        'inbox://alice',
        'protocol://chat/1.0.0',
        'protocol://file_lease/1.0.0',
        'protocol://mail/3.0.0',
        'protocol://task/1.0.0',
      ])
      for (const [version, definition] of [
        ['1.0.0', MAIL[0]],
        ['3.0.0', MAIL[2]],
      ] as const) {
        const uri = `protocol://mail/${version}`
        const { contents } = await alice.client.readResource({ uri })
        expect(contents).toMatchObject([{ uri, mimeType: 'application/json' }])
        expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject(definition)
      }
      for (const uri of ['protocol://mail/9.0.0', 'protocol://nothing/1.0.0', 'protocol://mail', 'protocol:'])
        await expect(alice.client.readResource({ uri })).rejects.toMatchObject({
          code: -32602,
          data: { uri },
        })
    })

    test('the text of a discovery teaches a model to write a payload', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      const found = await alice.call('discover_protocols', { name: 'chat' })
      expect(textOf(found)).toMatch(/\n- text: text, .*, required\n/)
      expect(textOf(found)).toContain('{"text":"The build of main is green again."}')
      const { protocols } = outputOf(await alice.call('discover_protocols')) as {
        protocols: { name: string; example: unknown }[]
      }
      for (const { name, example } of protocols)
        outputOf(
          await alice.call('send_message', { recipient_id: 'bob', protocol_name: name, payload: example }),
        )
    })

    test('two clients negotiate, try an adapter, and deprecate a version', async () => {
      await using app = await startBroker()
      await using old = await agent(era, app, 'old')
      await using recent = await agent(era, app, 'recent')
      for (const definition of MAIL) await old.call('register_protocol', definition)
      await checkIn(old, { mail: '1.x' })
      await checkIn(recent, { mail: '3.x' })
      const own = era === '2026' ? { session_id: 'old' } : {}
      const found = await old.call('negotiate_capabilities', { ...own, target_id: 'recent' })
      expect(outputOf(found)).toMatchObject({ compatible: true, supported_protocols: { mail: '1.0.0' } })
      expect(textOf(found)).toBe('They understand each other.\n- mail: 1.0.0')
      const turned = await old.call('transform_message', {
        name: 'mail',
        from_version: '1.0.0',
        to_version: '3.0.0',
        payload: LETTERS['1.0.0'],
      })
      expect(outputOf(turned)).toMatchObject({ payload: LETTERS['3.0.0'], valid: true })
      await old.call('deprecate_protocol', { name: 'mail', version: '1.0.0', successor: '3.0.0' })
      const sent = await old.call('send_message', {
        recipient_id: 'recent',
        protocol_name: 'mail',
        payload: LETTERS['1.0.0'],
      })
      expect(textOf(sent)).toContain('mail 1.0.0 is deprecated. Use 3.0.0 instead.')
    })
  })

test('protocols are listed after the inboxes, a page at a time', async () => {
  await using app = await startBroker({ protocols_builtin: false })
  await using alice = await agent('2025', app, 'alice')
  const names = Array.from({ length: 105 }, (_, i) => `p${i + 100}`)
  for (const name of names) await alice.call('register_protocol', { name, version: '1.0.0', schema: true })
  const first = await alice.client.listResources()
  const second = await alice.client.listResources({ cursor: first.nextCursor })
  expect(second.nextCursor).toBeUndefined()
  expect([...first.resources, ...second.resources].map(({ uri }) => uri)).toEqual([
    'inbox://alice',
    ...names.map((name) => `protocol://${name}/1.0.0`),
  ])
})

test('a broadcast reaches clients of both eras, each in its version', async () => {
  await using app = await startBroker()
  await using old = await agent('2025', app, 'old')
  await using recent = await agent('2026', app, 'recent')
  await using lost = await agent('2025', app, 'lost')
  for (const definition of MAIL) await old.call('register_protocol', definition)
  await checkIn(old, { mail: '1.x' })
  await checkIn(recent, { mail: '3.x' })
  await checkIn(lost, { mail: '7.x' })
  const sent = await recent.call('broadcast_message', {
    sender_id: 'recent',
    protocol_name: 'mail',
    protocol_version: '3.0.0',
    payload: LETTERS['3.0.0'],
  })
  expect(outputOf(sent)).toMatchObject({ recipients: 1, refused: [{ recipient_id: 'lost' }] })
  expect(textOf(sent)).toContain('Not taken by lost: lost takes mail 7.x')
  const read = await until('the letter', async () => {
    const { messages } = outputOf(await old.call('get_messages')) as { messages: unknown[] }
    return messages[0]
  })
  expect(read).toMatchObject({ payload: LETTERS['1.0.0'], broadcast: true })
})
