import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CALL_FLAGS, send, type Target, targetOf, wantsJson } from './client.ts'
import { PROGRAM, quoted } from './program.ts'
import { EXIT, type Terminal } from './terminal.ts'
import { CliError, isOn, type Verb } from './verb.ts'

/** A broker that sends nothing for so long is not waited for. */
const QUIET_MS_MAX = 30_000

export const backup: Verb = {
  name: 'backup',
  summary: 'Take a copy of all that a running broker stores.',
  args: 'FILE',
  positionals: [1, 1],
  examples: [
    [`${PROGRAM} backup monday.tar`, 'while it goes on working'],
    [`${PROGRAM} backup - | zstd > monday.tar.zst`, 'to standard output'],
    [`${PROGRAM} restore monday.tar ./data`, 'the way back'],
  ],
  notes: [
    'The copy is of one moment: of what was done in one turn of the broker it has all or nothing. It is checked ' +
      'as it comes, and has its name only once it is whole.',
    'The file holds all messages, and the keys and names of those who sent them: keep it as you keep the data.',
  ],
  flags: {
    force: { kind: 'switch', help: 'Overwrite FILE if it is there.' },
    ...CALL_FLAGS,
  },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const file = line.positionals[0]!
    const target = targetOf(line, surroundings)
    if (file === '-' && terminal.interactive)
      throw new CliError('A backup is nothing for a terminal.', 'Name a file, or write to a pipe.', true)
    if (file !== '-' && existsSync(file) && !isOn(line, 'force'))
      throw new CliError(`${file} is there already.`, 'Name another file, or give --force.')
    const { bytes, manifest } = await (file === '-' ? toOutput(target) : toFile(target, resolve(file)))
    if (file !== '-') tell(file, bytes, manifest, wantsJson(line), terminal)
    return EXIT.ok
  },
}

type Taken = Awaited<ReturnType<typeof take>>

function tell(
  file: string,
  bytes: number,
  manifest: Taken['manifest'],
  json: boolean,
  terminal: Terminal,
): void {
  const { taken_at, files } = manifest
  if (json) terminal.out(JSON.stringify({ file: resolve(file), bytes, taken_at, files: files.length }))
  else if (!terminal.interactive) terminal.out([resolve(file), bytes, taken_at].join('\t'))
  else
    terminal.out(
      `${file}: ${bytes} bytes, as of ${taken_at}. Back with: ${PROGRAM} restore ${quoted(file)} DIR`,
    )
}

async function toFile(target: Target, file: string): Promise<Taken> {
  const part = `${file}.part`
  let descriptor: number | undefined
  try {
    descriptor = openSync(part, 'w', 0o600)
    const to = descriptor
    const taken = await take(target, (bytes) => {
      for (let done = 0; done < bytes.length; ) done += writeSync(to, bytes, done, bytes.length - done)
    })
    fsyncSync(descriptor)
    renameSync(part, file)
    syncDirectory(dirname(file))
    return taken
  } catch (error) {
    if (descriptor !== undefined) rmSync(part, { force: true })
    const { code, message } = error as NodeJS.ErrnoException
    if (code === undefined || error instanceof CliError) throw error
    throw new CliError(`${file} cannot be written: ${message}`, 'Name a place where it can.')
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function toOutput(target: Target): Promise<Taken> {
  return take(target, async (bytes) => {
    if (!process.stdout.write(bytes)) await new Promise((resolve) => process.stdout.once('drain', resolve))
  })
}

/** Fetches a backup, and checks it as it comes. @throws CliError where it does not come whole */
async function take(target: Target, write: (bytes: Uint8Array) => void | Promise<void>) {
  const { BackupRefused, receiveBackup } = await import('../engine/journal/upkeep/received.ts')
  const quiet = new AbortController()
  const timer = setTimeout(() => quiet.abort(), QUIET_MS_MAX)
  let bytes = 0
  async function* chunks() {
    const response = await send(target, '/v1/backup', { method: 'POST', signal: quiet.signal, accept: '*/*' })
    for await (const chunk of brokenOff(response.body!)) {
      timer.refresh()
      bytes += chunk.length
      await write(chunk)
      yield chunk
    }
  }
  try {
    const manifest = await receiveBackup(chunks())
    return { bytes, manifest }
  } catch (error) {
    if (!(error instanceof BackupRefused)) throw error
    throw new CliError(
      error.message,
      `Try again; the log of the broker at ${target.url} may say why it ended.`,
    )
  } finally {
    clearTimeout(timer)
  }
}

/** The chunks of an answer. What breaks off ends here: what came then is no whole backup. */
async function* brokenOff(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  for (;;) {
    const read = await reader.read().catch(() => undefined)
    if (!read || read.done) return
    yield read.value
  }
}
