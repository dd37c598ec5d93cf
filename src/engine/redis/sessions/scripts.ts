import { mailboxScript } from '../mailbox/scripts.ts'
import { kept } from '../script.ts'
import checkin from './checkin.lua' with { type: 'text' }
import client from './client.lua' with { type: 'text' }
import end from './end.lua' with { type: 'text' }
import heard from './heard.lua' with { type: 'text' }
import session from './session.lua' with { type: 'text' }
import sweep from './sweep.lua' with { type: 'text' }

export const CHECKIN = kept(mailboxScript('checkin', session, checkin))
export const END = kept(mailboxScript('end', session, end))
export const CLIENT = mailboxScript('client', session, client)
export const HEARD = mailboxScript('heard', session, heard)
export const SWEEP = mailboxScript('sweep', session, sweep)
