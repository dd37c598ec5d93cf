import { kept, type Script, script } from '../script.ts'
import append from './append.lua' with { type: 'text' }
import changes from './changes.lua' with { type: 'text' }
import history from './history.lua' with { type: 'text' }
import mailbox from './mailbox.lua' with { type: 'text' }
import open from './open.lua' with { type: 'text' }
import overwrite from './overwrite.lua' with { type: 'text' }
import read from './read.lua' with { type: 'text' }
import rewrite from './rewrite.lua' with { type: 'text' }
import settle from './settle.lua' with { type: 'text' }

/** @param parts of the script itself, which may call `changes()` */
export const mailboxScript = (name: string, ...parts: readonly string[]): Script =>
  script(name, mailbox, 'local function changes()', changes, 'end', ...parts)

export const APPEND = kept(mailboxScript('append', append))
export const OPEN = mailboxScript('open', open)
export const READ = mailboxScript('read', read)
export const SETTLE = mailboxScript('settle', settle)
export const HISTORY = mailboxScript('history', history)
export const REWRITE = kept(mailboxScript('rewrite', rewrite))
export const OVERWRITE = mailboxScript('overwrite', overwrite)
