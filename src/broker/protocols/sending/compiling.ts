/**
 * What compiles schemas. It is loaded at the first need: a broker that is sent no typed messages does without
 * its megabytes.
 */
export { admitSchema } from '../../../core/protocol/schema/admit.ts'
export { compileSchema } from '../../../core/protocol/schema/checker.ts'
export { descendsOnce } from '../../../core/protocol/schema/descent.ts'
export { weightOf } from '../../../core/protocol/schema/weight.ts'
