import { type Script, script } from '../script.ts'
import append from './append.lua' with { type: 'text' }
import changes from './changes.lua' with { type: 'text' }
import giveBack from './give-back.lua' with { type: 'text' }
import history from './history.lua' with { type: 'text' }
import mailbox from './mailbox.lua' with { type: 'text' }
import open from './open.lua' with { type: 'text' }
import read from './read.lua' with { type: 'text' }
import rewrite from './rewrite.lua' with { type: 'text' }
import settle from './settle.lua' with { type: 'text' }
import sweep from './sweep.lua' with { type: 'text' }

/** @param text of the script itself, which may call `changes()` */
const of = (name: string, text: string): Script =>
  script(name, mailbox, 'local function changes()', changes, 'end', text)

export const APPEND = of('append', append)
export const OPEN = of('open', open)
export const READ = of('read', read)
export const SETTLE = of('settle', settle)
export const HISTORY = of('history', history)
export const REWRITE = of('rewrite', rewrite)
export const SWEEP = of('sweep', sweep)
export const GIVE_BACK = of('give-back', giveBack)
