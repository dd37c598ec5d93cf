import { tagPart } from '../script.ts'

/** None of these is a part of the mailbox of a client named "dead", which shares the slot. */
const PARTS = ['totals', 'index', 'letters', 'marks', 'claims']

/**
 * The keys of the dead letters of one project, in the order in which their scripts take them.
 *
 * @param prefix of all keys of this broker and its database
 */
export function deadKeys(prefix: string, project: string): readonly string[] {
  const tag = `${prefix}{${tagPart(project)}:dead}:`
  return PARTS.map((part) => tag + part)
}
