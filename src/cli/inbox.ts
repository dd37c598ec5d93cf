import type { Message } from '../core/message.ts'
import { CALL_FLAGS, call, targetOf, wantsJson } from './client.ts'
import { PROGRAM } from './program.ts'
import { printMessage } from './render.ts'
import { OWN_NAME } from './send.ts'
import { EXIT } from './terminal.ts'
import { flag, numberFlag, type Verb } from './verb.ts'

interface Mail {
  readonly messages: readonly Message[]
  readonly remaining: number
}

export const inbox: Verb = {
  name: 'inbox',
  summary: 'Read the unread messages of a client.',
  args: '[NAME]',
  positionals: [0, 1],
  examples: [
    [`${PROGRAM} inbox`, `what came for "${OWN_NAME}"`],
    [`${PROGRAM} inbox backend --wait 30`, 'wait for the first message, for up to 30 s'],
    [`${PROGRAM} inbox backend --ack none`, 'look, and leave everything unread'],
    [`${PROGRAM} inbox backend --json`, 'whole messages, with headers'],
  ],
  notes: [
    `Reading acknowledges. With --ack manual the messages are leased and come again, unless "${PROGRAM} call ` +
      'ack_messages client_id=NAME" takes them. In a pipe each message is one line: time, message_id, sender and payload, ' +
      'between tabs.',
  ],
  flags: {
    ack: { kind: 'value', value: 'MODE', help: 'auto (the default), manual or none.' },
    wait: { kind: 'value', value: 'SECONDS', help: 'If there are none, wait for this long (0).' },
    limit: { kind: 'value', value: 'COUNT', help: 'At most this many (200).' },
    ...CALL_FLAGS,
  },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const wait_seconds = numberFlag(line, 'wait', 'seconds')
    const mail = await call<Mail>(
      targetOf(line, surroundings),
      'get_messages',
      {
        client_id: line.positionals[0] ?? OWN_NAME,
        ack: flag(line, 'ack'),
        limit: numberFlag(line, 'limit', 'messages'),
        wait_seconds,
      },
      wait_seconds,
    )
    if (wantsJson(line)) {
      terminal.out(JSON.stringify(mail))
      return EXIT.ok
    }
    for (const message of mail.messages) printMessage(terminal, message)
    if (terminal.interactive && mail.messages.length === 0) terminal.err('No new messages.')
    if (mail.remaining > 0) terminal.err(`${mail.remaining} more: read again, or raise --limit.`)
    return EXIT.ok
  },
}
