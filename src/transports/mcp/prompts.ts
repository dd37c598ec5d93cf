import {
  type GetPromptResult,
  type Prompt,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server'
import type { Static } from '@sinclair/typebox'
import { WAIT_SECONDS_DEFAULT } from '../../broker/commands/schema.ts'
import type { PromptParams } from './params.ts'

/** The prompts that a person can pick in a client. */
export const PROMPTS: readonly Prompt[] = [
  {
    name: 'join',
    title: 'Join the other agents',
    description: 'Check in under a name, then answer what comes in.',
    arguments: [
      { name: 'client_id', description: 'the address that others reach you under', required: true },
    ],
  },
]

/** @throws ProtocolError `-32602` for an unknown prompt, or when its argument is missing */
export function getPrompt({ name, arguments: input }: Static<typeof PromptParams>): GetPromptResult {
  if (name !== 'join')
    throw new ProtocolError(
      ProtocolErrorCode.InvalidParams,
      `There is no prompt "${name.slice(0, 64)}". See prompts/list.`,
    )
  const client_id = input?.client_id
  if (client_id === undefined)
    throw new ProtocolError(
      ProtocolErrorCode.InvalidParams,
      'client_id is required: the address to check in under.',
    )
  const text =
    `Call checkin_client with client_id ${JSON.stringify(client_id)}, and list_sessions to see who else is there. ` +
    `Then wait for mail with get_messages and wait_seconds ${WAIT_SECONDS_DEFAULT}, again and again until I say stop: ` +
    "do what a message asks for, as far as I would want it done, and answer with send_message and the message's " +
    'message_id as in_reply_to. Tell me in a line what came and what you answered.'
  return { messages: [{ role: 'user', content: { type: 'text', text } }] }
}
