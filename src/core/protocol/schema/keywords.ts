export type Dialect = 'draft-07' | '2020-12'

/** The `$schema` of each dialect, without the empty fragment. */
export const DIALECT_URIS: Readonly<Record<Dialect, string>> = {
  'draft-07': 'http://json-schema.org/draft-07/schema',
  '2020-12': 'https://json-schema.org/draft/2020-12/schema',
}

/** What the value of a keyword must be. */
export type Shape =
  | 'any'
  | 'text'
  | 'flag'
  /** A whole number from 0 to {@link COUNT_MAX}. */
  | 'count'
  | 'number'
  /** A number above 0. */
  | 'positive'
  /** A name of a JSON type, or several. */
  | 'types'
  /** Texts, each once. */
  | 'names'
  | 'list'
  | 'pattern'
  | 'uri'
  | 'anchor'
  | 'map'
  | 'schema'
  /** One schema or several. */
  | 'schemas'
  | 'schema_or_schemas'
  | 'schema_map'
  /** Schemas by pattern. */
  | 'pattern_map'
  /** Names by name. */
  | 'names_map'
  /** Names or a schema by name. */
  | 'dependencies'

/** Source: draft-07 validation, sections 6 to 10; 2020-12 core, sections 8 to 11, and validation, 6 to 9. */
const SHARED: Readonly<Record<string, Shape>> = {
  $schema: 'uri',
  $id: 'uri',
  $ref: 'uri',
  $comment: 'text',
  $defs: 'schema_map',
  definitions: 'schema_map',
  title: 'text',
  description: 'text',
  default: 'any',
  examples: 'list',
  readOnly: 'flag',
  writeOnly: 'flag',
  format: 'text',
  contentMediaType: 'text',
  contentEncoding: 'text',
  type: 'types',
  enum: 'list',
  const: 'any',
  multipleOf: 'positive',
  maximum: 'number',
  exclusiveMaximum: 'number',
  minimum: 'number',
  exclusiveMinimum: 'number',
  maxLength: 'count',
  minLength: 'count',
  pattern: 'pattern',
  maxItems: 'count',
  minItems: 'count',
  uniqueItems: 'flag',
  contains: 'schema',
  maxProperties: 'count',
  minProperties: 'count',
  required: 'names',
  properties: 'schema_map',
  patternProperties: 'pattern_map',
  additionalProperties: 'schema',
  propertyNames: 'schema',
  if: 'schema',
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema; nothing awaits this table.
  then: 'schema',
  else: 'schema',
  allOf: 'schemas',
  anyOf: 'schemas',
  oneOf: 'schemas',
  not: 'schema',
}

/** Which keywords each dialect has, and what their values must be. */
export const KEYWORDS: Readonly<Record<Dialect, ReadonlyMap<string, Shape>>> = {
  'draft-07': new Map(
    Object.entries<Shape>({
      ...SHARED,
      items: 'schema_or_schemas',
      additionalItems: 'schema',
      dependencies: 'dependencies',
    }),
  ),
  '2020-12': new Map(
    Object.entries<Shape>({
      ...SHARED,
      $anchor: 'anchor',
      $dynamicRef: 'uri',
      $dynamicAnchor: 'anchor',
      $vocabulary: 'map',
      deprecated: 'flag',
      contentSchema: 'schema',
      items: 'schema',
      prefixItems: 'schemas',
      minContains: 'count',
      maxContains: 'count',
      dependentRequired: 'names_map',
      dependentSchemas: 'schema_map',
      unevaluatedItems: 'schema',
      unevaluatedProperties: 'schema',
    }),
  ),
}

export const JSON_TYPES = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'] as const

/** What to write instead of a keyword that only the other dialect has. */
export const INSTEAD: Readonly<Record<string, string>> = {
  additionalItems: 'items beside prefixItems',
  dependencies: 'dependentRequired or dependentSchemas',
  prefixItems: 'items with a list',
  dependentRequired: 'dependencies',
  dependentSchemas: 'dependencies',
  $anchor: '$id with a fragment',
}
