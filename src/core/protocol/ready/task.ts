import type { ProtocolDefinition } from '../definition.ts'

const DAYS_30_SECONDS = 2_592_000

const task_id = { $ref: '#/$defs/task_id' }
const files = { $ref: '#/$defs/files' }
const data = { description: 'any JSON that belongs to it' }

/** One shape of a task message: `kind` first, then what it may say besides. */
function branch(kind: string, description: string, properties: object, required: readonly string[] = []) {
  return {
    description,
    properties: { kind: { const: kind }, task_id, ...properties },
    required: ['kind', 'task_id', ...required],
    additionalProperties: false,
  }
}

function text(characters_max: number, description: string) {
  return { type: 'string', minLength: 1, maxLength: characters_max, description }
}

/** Work that one client asks another to do. The states of a task are those of A2A. */
export const TASK: ProtocolDefinition = {
  name: 'task',
  version: '1.0.0',
  schema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    required: ['kind', 'task_id'],
    properties: {
      kind: {
        enum: ['request', 'accept', 'reject', 'progress', 'input_required', 'input', 'result', 'cancel'],
        description: 'what the message does; it decides which members there are',
      },
    },
    oneOf: [
      branch(
        'request',
        'Asks for work. The task is submitted.',
        {
          title: text(200, 'the work in one line'),
          instructions: text(32_768, 'all that one needs to know to do it'),
          files,
          acceptance: {
            type: 'array',
            maxItems: 50,
            items: { type: 'string', minLength: 1, maxLength: 1000 },
            description: 'what must hold for the work to be done, one sentence each',
          },
          deadline: text(64, 'when it has to be done, RFC 3339 such as 2026-07-01T12:00:00Z'),
          data,
        },
        ['title', 'instructions'],
      ),
      branch('accept', 'Takes the work on. The task is working.', {
        eta_seconds: {
          type: 'number',
          minimum: 0,
          maximum: DAYS_30_SECONDS,
          description: 'how long it will take, about',
        },
      }),
      branch(
        'reject',
        'Does not take the work on. The task is rejected, which ends it.',
        {
          reason: text(2000, 'why not'),
          retry_after_seconds: {
            type: 'number',
            minimum: 0,
            maximum: DAYS_30_SECONDS,
            description: 'when it is worth asking again; left out: never',
          },
        },
        ['reason'],
      ),
      branch(
        'progress',
        'Says how far the work is. The task is working.',
        {
          note: text(2000, 'what has been done, or what is being done'),
          percent: { type: 'number', minimum: 0, maximum: 100, description: 'how much of it is done' },
        },
        ['note'],
      ),
      branch(
        'input_required',
        'Asks the client that wants the work. The task is input_required until input comes.',
        {
          question: text(4000, 'what one has to know to go on'),
          choices: {
            type: 'array',
            minItems: 1,
            maxItems: 20,
            items: { type: 'string', minLength: 1, maxLength: 500 },
            description: 'the answers that are possible, where they are few',
          },
        },
        ['question'],
      ),
      branch(
        'input',
        'Answers input_required. The task is working again.',
        { answer: text(32_768, 'the answer, or one of the choices'), files, data },
        ['answer'],
      ),
      branch(
        'result',
        'Ends the task, in the state that it names.',
        {
          state: {
            enum: ['completed', 'failed', 'canceled'],
            description: 'completed: all of acceptance holds; failed: it does not; canceled: after a cancel',
          },
          summary: text(8000, 'what was done, or why it was not'),
          files,
          data,
        },
        ['state', 'summary'],
      ),
      branch('cancel', 'Asks to stop. The task goes on until its result comes.', {
        reason: text(2000, 'why it is not wanted any more'),
      }),
    ],
    $defs: {
      task_id: text(128, 'chosen by who asks for the work, the same in all messages about it'),
      files: {
        type: 'array',
        maxItems: 100,
        description: 'what the work is about, or what came of it',
        items: {
          type: 'object',
          required: ['uri'],
          additionalProperties: false,
          properties: {
            uri: text(2048, "a URI, or a path from the repository's root"),
            note: text(500, 'what is in it, or what to look at'),
          },
        },
      },
    },
  },
  capabilities: ['point_to_point', 'request_response', 'streaming'],
  metadata: {
    description:
      'Work that one client asks another to do, from the request to its result. The states are those of ' +
      'A2A: submitted, working and input_required, and the four that end a task: completed, failed, ' +
      'canceled and rejected. Two clients take part: the one that asks sends request, input and cancel, ' +
      'and the one that works sends the rest.',
    author: 'mcp-broker',
    tags: ['ready', 'work'],
    agent_notes:
      'Choose a task_id that nobody else will, such as your client_id and a number. A request that comes ' +
      'twice with one task_id is one task: answer it again, do not do it again. Answer a request with ' +
      'accept or reject at once, each later message with in_reply_to the request, and end with exactly ' +
      'one result. After a cancel, stop and send a result with state canceled, or completed if you had ' +
      'finished. Send progress when something changed, and not by the clock. Nothing may follow a result ' +
      'or a reject.',
    examples: [
      {
        name: 'request',
        payload: {
          kind: 'request',
          task_id: 'frontend-17',
          title: 'Add paging to GET /v1/users',
          instructions:
            'Take limit and after as GET /v1/orders does. Keep the old answer when neither is given.',
          files: [{ uri: 'src/users/list.ts', note: 'the handler' }],
          acceptance: ['Existing tests pass.', 'A test reads three pages.'],
          deadline: '2026-07-01T12:00:00Z',
        },
      },
      { name: 'accept', payload: { kind: 'accept', task_id: 'frontend-17', eta_seconds: 1800 } },
      {
        name: 'reject',
        payload: {
          kind: 'reject',
          task_id: 'frontend-17',
          reason: 'I am on another task.',
          retry_after_seconds: 900,
        },
      },
      {
        name: 'progress',
        payload: {
          kind: 'progress',
          task_id: 'frontend-17',
          note: 'The handler is done; tests are next.',
          percent: 60,
        },
      },
      {
        name: 'input_required',
        payload: {
          kind: 'input_required',
          task_id: 'frontend-17',
          question: 'What is the largest limit?',
          choices: ['100', '1000'],
        },
      },
      { name: 'input', payload: { kind: 'input', task_id: 'frontend-17', answer: '100' } },
      {
        name: 'result',
        payload: {
          kind: 'result',
          task_id: 'frontend-17',
          state: 'completed',
          summary: 'GET /v1/users pages with limit (1 to 100) and after.',
          files: [{ uri: 'src/users/list.ts' }, { uri: 'tests/users/paging.test.ts' }],
        },
      },
      {
        name: 'cancel',
        payload: { kind: 'cancel', task_id: 'frontend-17', reason: 'The page was dropped from the release.' },
      },
    ],
    examples_invalid: [
      {},
      { kind: 'request', task_id: 'frontend-17', title: 'Add paging' },
      { kind: 'accept' },
      { kind: 'reject', task_id: 'frontend-17' },
      { kind: 'progress', task_id: 'frontend-17', note: 'Going on', percent: 101 },
      { kind: 'result', task_id: 'frontend-17', state: 'completed' },
      { kind: 'result', task_id: 'frontend-17', state: 'done', summary: 'It is done.' },
      { kind: 'result', task_id: 'frontend-17', state: 'working', summary: 'Not yet.' },
      { kind: 'working', task_id: 'frontend-17' },
      {
        kind: 'request',
        task_id: 'frontend-17',
        title: 'Add paging',
        instructions: 'As GET /v1/orders.',
        files: ['src/users/list.ts'],
      },
      { kind: 'cancel', task_id: 'frontend-17', note: 'Stop' },
    ],
  },
  adapters: [],
}
