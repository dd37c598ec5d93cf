import { readFile } from 'node:fs/promises'

/** A settings file cannot be used. The message is for the operator, and names the file. */
export class FileProblem extends Error {
  constructor(
    message: string,
    readonly fix: string,
  ) {
    super(message)
  }
}

/**
 * Reads a settings file: JSON where its name ends in `.json`, else YAML 1.2.
 *
 * @returns its top-level keys and values, unchecked
 * @throws FileProblem when it is missing, unreadable, malformed, or not a mapping
 */
export async function readSettingsFile(path: string): Promise<Record<string, unknown>> {
  const parsed = await parse(path, await read(path))
  // An empty YAML file, or one with comments alone, sets nothing.
  if (parsed === null || parsed === undefined) return {}
  if (typeof parsed !== 'object' || Array.isArray(parsed))
    throw new FileProblem(
      `The settings file ${path} holds ${Array.isArray(parsed) ? 'a list' : `a ${typeof parsed}`}, not settings.`,
      'Write one setting a line, such as "port: 8123".',
    )
  return parsed as Record<string, unknown>
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reasons: Record<string, string> = {
      ENOENT: 'does not exist',
      EISDIR: 'is a directory',
      EACCES: 'may not be read by this user',
    }
    throw new FileProblem(
      `The settings file ${path} ${reasons[code ?? ''] ?? `cannot be read (${code})`}.`,
      'Correct --config or MCP_BROKER_CONFIG.',
    )
  }
}

async function parse(path: string, text: string): Promise<unknown> {
  try {
    if (path.toLowerCase().endsWith('.json')) return JSON.parse(text)
    // Loaded only when it is needed: most brokers run without a file.
    const { parse } = await import('yaml')
    return parse(text)
  } catch (error) {
    const [first] = (error as Error).message.split('\n')
    throw new FileProblem(
      `The settings file ${path} cannot be parsed: ${first?.replace(/[:.]$/, '')}.`,
      'Files ending in .json are read as JSON, all others as YAML.',
    )
  }
}
