/** How often each fault comes: `MCP_BROKER_CHAOS_ROUNDS`. */
export const ROUNDS = Number(process.env.MCP_BROKER_CHAOS_ROUNDS ?? 1)
