import type { Case } from './case.ts'
import { PATTERN_CASES } from './patterns.ts'
import { PAYLOAD_CASES } from './payloads.ts'
import { RECURSION_CASES } from './recursion.ts'
import { SCHEMA_CASES } from './schemas.ts'

export const CORPUS: readonly Case[] = [
  ...SCHEMA_CASES,
  ...RECURSION_CASES,
  ...PATTERN_CASES,
  ...PAYLOAD_CASES,
]
