import { kept, type Script, script } from '../script.ts'
import add from './add.lua' with { type: 'text' }
import claim from './claim.lua' with { type: 'text' }
import deadLetters from './dead-letters.lua' with { type: 'text' }
import finish from './finish.lua' with { type: 'text' }
import forget from './forget.lua' with { type: 'text' }
import outbox from './outbox.lua' with { type: 'text' }
import scan from './scan.lua' with { type: 'text' }
import takeOver from './take-over.lua' with { type: 'text' }
import totals from './totals.lua' with { type: 'text' }

const of = (name: string, text: string): Script => script(name, deadLetters, text)

export const ADD = kept(of('dead-add', add))
export const SCAN = of('dead-scan', scan)
export const TOTALS = of('dead-totals', totals)
export const CLAIM = kept(of('dead-claim', claim))
export const FINISH = of('dead-finish', finish)
export const TAKE_OVER = of('dead-take-over', takeOver)
export const FORGET = of('dead-forget', forget)
/** On the outbox of a mailbox alone. A death that a failover takes back must not have been told before. */
export const OUTBOX = kept(script('outbox', outbox))
