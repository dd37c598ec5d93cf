import type { Message } from '../core/message.ts'
import { CALL_FLAGS, call, type Target, targetOf, wantsJson } from './client.ts'
import type { Parsed } from './flags.ts'
import { PROGRAM } from './program.ts'
import { oneLine, printPayload, styled } from './render.ts'
import { EXIT, type ExitCode, type Terminal } from './terminal.ts'
import { CliError, flag, numberFlag, type Verb } from './verb.ts'

/** The address that the command line sends from and reads, unless told otherwise. */
export const OWN_NAME = 'cli'
const WAIT_SECONDS_DEFAULT = 50

interface Receipt {
  readonly message_id: string
  readonly recipient_status: string
  readonly stored: string
  readonly expires_at: string
  readonly warnings: readonly string[]
  /** Where a reply was waited for. */
  readonly timed_out?: boolean
  readonly reply?: Message
}

export const send: Verb = {
  name: 'send',
  summary: 'Send a message to one client.',
  args: 'RECIPIENT [TEXT | -]',
  positionals: [1, 2],
  examples: [
    [`${PROGRAM} send backend "the build is green"`, 'text'],
    [`${PROGRAM} send backend --payload '{"task":"review"}'`, 'JSON'],
    [`git diff | ${PROGRAM} send reviewer -`, 'text from standard input'],
    [`${PROGRAM} send backend "2+2?" --wait=10`, 'print the reply, waiting for up to 10 s'],
    [`${PROGRAM} send backend hi --from frontend --priority urgent`, 'as somebody, ahead of the rest'],
  ],
  notes: [
    'Prints the message_id; with --wait the reply, and fails when none comes in time. A later reply is in the mailbox ' +
      `that was sent from: see "${PROGRAM} inbox".`,
  ],
  flags: {
    payload: { kind: 'value', value: 'JSON', help: 'A JSON payload in place of the text.' },
    from: { kind: 'value', value: 'NAME', help: `Whom it comes from (${OWN_NAME}).` },
    wait: {
      kind: 'optional',
      value: 'SECONDS',
      help: `Wait for the reply and print it (${WAIT_SECONDS_DEFAULT}).`,
    },
    priority: { kind: 'value', value: 'PRIORITY', help: 'low, normal, high or urgent.' },
    ttl: { kind: 'value', value: 'SECONDS', help: 'Expires, and bounces, if unread for this long (300).' },
    header: { kind: 'value', value: 'NAME=TEXT', many: true, help: 'A header; may be given several times.' },
    'reply-to': { kind: 'value', value: 'MESSAGE_ID', help: 'The message that this one answers.' },
    'idempotency-key': { kind: 'value', value: 'KEY', help: 'Sending again with the same key sends once.' },
    ...CALL_FLAGS,
  },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const target = targetOf(line, surroundings)
    const ttl_seconds = numberFlag(line, 'ttl', 'seconds')
    const wait_seconds = waitSeconds(line)
    const input = {
      recipient_id: line.positionals[0],
      sender_id: flag(line, 'from') ?? OWN_NAME,
      priority: flag(line, 'priority'),
      headers: headersOf(line),
      in_reply_to: flag(line, 'reply-to'),
      idempotency_key: flag(line, 'idempotency-key'),
      ttl_seconds,
      ...(await contentOf(line)),
    }
    const receipt = await dispatch(target, input, wait_seconds)
    for (const warning of receipt.warnings) terminal.err(`warning: ${oneLine(warning)}`)
    if (wantsJson(line)) terminal.out(JSON.stringify(receipt))
    else if (receipt.reply) printPayload(terminal, receipt.reply.payload)
    else if (wait_seconds === undefined) printReceipt(terminal, receipt)
    if (!receipt.timed_out) return EXIT.ok
    return noReply(line, receipt, wait_seconds)
  },
}

function dispatch(
  target: Target,
  input: Record<string, unknown>,
  wait_seconds: number | undefined,
): Promise<Receipt> {
  if (wait_seconds === undefined) return call(target, 'send_message', input)
  return call(target, 'send_message_and_wait', { ...input, timeout: wait_seconds }, wait_seconds)
}

function waitSeconds(line: Parsed): number | undefined {
  const text = flag(line, 'wait')
  return text === '' ? WAIT_SECONDS_DEFAULT : numberFlag(line, 'wait', 'seconds')
}

function noReply(line: Parsed, { message_id }: Receipt, wait_seconds: number | undefined): ExitCode {
  // The JSON has said so.
  if (wantsJson(line)) return EXIT.failed
  throw new CliError(
    `No reply to ${message_id} within ${wait_seconds} s.`,
    `A later one will be in the mailbox: "${PROGRAM} inbox ${flag(line, 'from') ?? OWN_NAME}".`,
  )
}

/** @throws CliError unless there is exactly one content, and it can be read */
async function contentOf(line: Parsed): Promise<{ message: string } | { payload: unknown }> {
  const text = line.positionals[1]
  const payload = flag(line, 'payload')
  if ((text === undefined) === (payload === undefined))
    throw new CliError(
      text === undefined ? 'There is nothing to send.' : 'There is a text and a --payload.',
      'Give a text, - to read it from standard input, or --payload JSON: one of them.',
      true,
    )
  if (payload !== undefined) return { payload: jsonOf(payload) }
  return { message: text === '-' ? await Bun.stdin.text() : (text ?? '') }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CliError(
      `The payload is not JSON: ${(error as Error).message}.`,
      'Quote it for the shell, or give it as text without --payload.',
      true,
    )
  }
}

function headersOf(line: Parsed): Record<string, string> | undefined {
  const given = line.flags.get('header')
  if (!given) return undefined
  return Object.fromEntries(
    given.map((header) => {
      const at = header.indexOf('=')
      if (at < 1) throw new CliError(`--header is "${header}".`, 'Write it as NAME=TEXT.', true)
      return [header.slice(0, at), header.slice(at + 1)]
    }),
  )
}

function printReceipt(terminal: Terminal, { message_id, recipient_status, stored, expires_at }: Receipt) {
  if (!terminal.interactive) return terminal.out(message_id)
  const time = new Date(expires_at).toTimeString().slice(0, 8)
  terminal.out(
    `${styled('queued', 'green', terminal)} ${message_id}; the recipient is ${recipient_status}, ` +
      `the message is kept (${stored}) until ${time}`,
  )
}
