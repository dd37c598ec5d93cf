import { ERRORS, type ErrorEntry } from '../core/errors.ts'
import type { Message } from '../core/message.ts'
import { brokersError, CALL_FLAGS, call, type Target, targetOf, wantsJson } from './client.ts'
import { type Delivery, type Ended, follow } from './follow.ts'
import { PROGRAM } from './program.ts'
import { printMessage } from './render.ts'
import type { Terminal } from './terminal.ts'
import { CliError, flag, isOn, numberFlag, type Verb } from './verb.ts'

const RETRY_SECONDS_DEFAULT = 300
/** The pause before trying again doubles from the first to the second of these, with jitter. */
const PAUSE_MS = { first: 250, last: 10_000 } as const

export const watch: Verb = {
  name: 'watch',
  summary: 'Print the messages of a client as they come.',
  args: 'NAME',
  positionals: [1, 1],
  examples: [
    [`${PROGRAM} watch backend`, 'read the mailbox, one line a message'],
    [`${PROGRAM} watch backend --ack none`, 'look on, and leave everything unread for its reader'],
    [`${PROGRAM} watch backend --json`, 'one JSON object a line: {cursor, message}'],
    [`${PROGRAM} watch backend --after k3f9:17`, 'begin after a cursor seen before'],
  ],
  notes: [
    'A lost connection is taken up again where it broke off; a message may then be printed twice, none is left out. It ' +
      'ends with 1 when the broker ends it for good, cannot be reached again, or has lost messages in between.',
    'In a pipe each message is one line: time, message_id, sender and payload, between tabs.',
  ],
  flags: {
    ack: { kind: 'value', value: 'MODE', help: 'auto (the default): printing acknowledges; or none.' },
    after: { kind: 'value', value: 'CURSOR', help: 'Begin after this cursor.' },
    retry: {
      kind: 'value',
      value: 'SECONDS',
      help: `Try for this long to get a lost connection back (${RETRY_SECONDS_DEFAULT}).`,
    },
    'tolerate-loss': { kind: 'switch', help: 'Go on when messages are lost, having said so.' },
    ...CALL_FLAGS,
  },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const target = targetOf(line, surroundings)
    const ack = flag(line, 'ack') ?? 'auto'
    if (ack !== 'auto' && ack !== 'none')
      throw new CliError(`--ack is "${ack}".`, 'It is auto or none here.', true)
    const retry_ms = (numberFlag(line, 'retry', 'seconds') ?? RETRY_SECONDS_DEFAULT) * 1000
    const subscription = { client_id: line.positionals[0] ?? '', ack } as const
    const print = wantsJson(line)
      ? (delivery: Delivery) => terminal.out(JSON.stringify(delivery))
      : ({ message }: Delivery) => printMessage(terminal, message as Message)
    const lost = (cursor: string) => {
      const what = `Some messages after ${cursor} are lost: the broker no longer holds them.`
      if (!isOn(line, 'tolerate-loss'))
        throw new CliError(what, 'Watch anew, or say --tolerate-loss to go on.')
      terminal.err(`warning: ${what}`)
    }

    let after = flag(line, 'after')
    let lost_at: number | undefined
    let tries = 0
    let ever = false
    for (;;) {
      const ended = await follow(
        target,
        { ...subscription, after },
        {
          subscribed({ recovered, cursor }) {
            if (!recovered) lost(after ?? cursor)
            if (lost_at !== undefined) terminal.err('Connected again.')
            after = cursor
            lost_at = undefined
            tries = 0
            ever = true
          },
          delivered(delivery) {
            print(delivery)
            after = delivery.cursor
          },
        },
      )
      if (ended.failed) throw ended.failed
      const final = finalEnd(ended, target)
      if (final) throw final
      if (!ever) throw await refusedAtOnce(target)
      lost_at ??= Date.now()
      if (Date.now() - lost_at >= retry_ms)
        throw new CliError(
          `The connection to ${target.url} is lost, and has not come back within ${retry_ms / 1000} s.`,
          `Go on later with --after ${after}.`,
        )
      if (tries === 0) tellLost(terminal, ended)
      await Bun.sleep(Math.min(pause(tries++), lost_at + retry_ms - Date.now()))
    }
  },
}

/**
 * Equal jitter: half of the pause is fixed, half random. So many watchers do not reconnect at the same
 * moment, and none reconnects at once.
 */
function pause(tries: number): number {
  const ms = Math.min(PAUSE_MS.last, PAUSE_MS.first * 2 ** tries)
  return ms / 2 + (Math.random() * ms) / 2
}

function tellLost(terminal: Terminal, { code, reason }: Ended): void {
  const why = entryOf(code)?.title ?? (reason || `close code ${code}`)
  terminal.err(`The connection is lost (${why.replace(/\.$/, '')}); trying again.`)
}

/**
 * Why the very first connection did not come about: a WebSocket does not say, so a plain request is made.
 *
 * @throws CliError with the broker's own words, or that there is none
 */
async function refusedAtOnce(target: Target): Promise<CliError> {
  await call(target, 'get_my_identity', {})
  return new CliError(
    `The broker at ${target.url} answers, but not over WebSocket.`,
    'A proxy in between may not let them through.',
  )
}

/** The error that an end means, where coming back would not help. */
function finalEnd({ code, reason }: Ended, target: Target): CliError | undefined {
  const closed_for_good = (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000)
  if (!closed_for_good) return undefined
  if (reason === 'unauthenticated') return brokersError({ code: reason }, target)
  const entry = entryOf(code)
  return new CliError(
    entry?.title ?? `The broker has closed the connection with ${code}${reason ? ` (${reason})` : ''}.`,
    entry?.next ?? 'See its log.',
  )
}

function entryOf(code: number): ErrorEntry | undefined {
  return Object.values<ErrorEntry>(ERRORS).find(({ close_code }) => close_code === code)
}
