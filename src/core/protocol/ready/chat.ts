import type { ProtocolDefinition } from '../definition.ts'

/** Text between people, agents and programs. */
export const CHAT: ProtocolDefinition = {
  name: 'chat',
  version: '1.0.0',
  schema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    required: ['text'],
    additionalProperties: false,
    properties: {
      text: { type: 'string', minLength: 1, maxLength: 32_768, description: 'what is said' },
      format: { enum: ['plain', 'markdown'], description: 'how to show the text; plain if left out' },
      thread: {
        type: 'string',
        minLength: 1,
        maxLength: 128,
        description: 'a name for one conversation of several, the same in all of its messages',
      },
      mentions: {
        type: 'array',
        maxItems: 64,
        items: { type: 'string', minLength: 1, maxLength: 128 },
        description: 'client_ids that the text speaks to, so that others need not answer',
      },
      data: { description: 'any JSON that belongs to the text' },
    },
  },
  capabilities: ['point_to_point', 'broadcast', 'request_response'],
  metadata: {
    description:
      'Text between people, agents and programs. One message is one thing said, to one client or to all. ' +
      'Use it where a reader understands the words; for work that somebody has to do and report on, use ' +
      'task.',
    author: 'mcp-broker',
    tags: ['ready', 'conversation'],
    agent_notes:
      'Only text is required. Answer with in_reply_to, and repeat the thread of what you answer. On a ' +
      'broadcast, answer only if mentions names you, or if there are no mentions and you know the answer. ' +
      'Do not answer thanks.',
    examples: [
      { name: 'text', payload: { text: 'The build of main is green again.' } },
      {
        name: 'question in a thread',
        payload: {
          text: 'Does **/v1/users** still need the `limit` parameter?',
          format: 'markdown',
          thread: 'users-api',
          mentions: ['backend'],
        },
      },
      {
        name: 'with data',
        payload: { text: 'Three tests fail.', data: { failed: ['login', 'logout', 'search'] } },
      },
    ],
    examples_invalid: [
      'Hello',
      {},
      { text: '' },
      { message: 'Hello' },
      { text: 'Hello', format: 'html' },
      { text: 'Hello', mentions: 'backend' },
    ],
  },
  adapters: [],
}
