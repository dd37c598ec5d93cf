import { version } from '../../../package.json'

/** How the broker introduces itself, in both eras. */
export const SERVER_INFO = { name: 'mcp-broker', title: 'mcp-broker', version }
