import type { TSchema } from 'typebox'
import type { TLocalizedValidationError } from 'typebox/error'
import { InvalidRequest, shown } from '../../job/invalid.ts'

type Fault<Keyword> = Extract<TLocalizedValidationError, { keyword: Keyword }>

/** The part of a request with a schema error. */
export type RequestPart = 'body' | 'query' | 'path' | 'header'

/**
 * The first validation error of a value, as a sentence with the field and a valid value. Pure.
 * @param errors as the validator lists them; not empty.
 * @param schema the schema of the value, for a suggestion where a key is mistyped.
 */
export function schemaFault(
  errors: readonly TLocalizedValidationError[],
  value: unknown,
  part: RequestPart,
  schema: TSchema,
): InvalidRequest {
  // The validator reports an unknown key twice: by its parent and as "schema is false". It reports a union by each branch and as
  // a whole.
  const real = errors.filter(({ keyword }) => keyword !== 'boolean' && keyword !== 'anyOf')
  const unknown = errors.find(
    (error): error is Fault<'additionalProperties'> => error.keyword === 'additionalProperties',
  )
  const missing = errors.find((error): error is Fault<'required'> => error.keyword === 'required')
  if (unknown !== undefined) return unknownKey(unknown, value, part, keysAt(schema, unknown.instancePath))
  if (missing !== undefined) return missingKey(missing, value, part)
  const first = real.reduce<TLocalizedValidationError | undefined>(
    (deepest, error) => (deepest === undefined || depth(error) > depth(deepest) ? error : deepest),
    undefined,
  )
  if (first === undefined)
    return new InvalidRequest(part, `the ${part} does not fit its schema`, 'See the OpenAPI document.')
  const words = real.filter(({ instancePath }) => instancePath === first.instancePath).map(({ message }) => message)
  const isUnion = errors.some(({ keyword, instancePath }) => keyword === 'anyOf' && instancePath === first.instancePath)
  const field = fieldName(names(first.instancePath), value)
  return new InvalidRequest(
    field === '' ? part : field,
    `${field === '' ? `the ${part}` : field} ${[...new Set(words)].join(isUnion ? ' or ' : ' and ')}; it was ${shownAt(value, first.instancePath)}`,
    hintFor(first),
  )
}

function unknownKey(
  error: Fault<'additionalProperties'>,
  value: unknown,
  part: RequestPart,
  known: readonly string[],
): InvalidRequest {
  const key = error.params.additionalProperties[0] ?? ''
  const near = nearest(key, known)
  const place = names(error.instancePath)
  return new InvalidRequest(
    fieldName([...place, key], value),
    `${place.length === 0 ? `the ${part}` : fieldName(place, value)} has an unknown key ${shown(key)}`,
    near !== undefined
      ? `Did you mean ${near}?`
      : known.length > 0
        ? `Known are: ${known.join(', ')}.`
        : 'The schema is in the OpenAPI document, /api/v1/openapi.json.',
  )
}

function missingKey(error: Fault<'required'>, value: unknown, part: RequestPart): InvalidRequest {
  const place = names(error.instancePath)
  const key = error.params.requiredProperties[0] ?? ''
  const field = fieldName([...place, key], value)
  return new InvalidRequest(
    field,
    `${place.length === 0 ? `the ${part}` : fieldName(place, value)} has no ${key}`,
    `Add ${field}.`,
  )
}

/** The keys that a schema knows at a pointer. */
function keysAt(schema: TSchema, pointer: string): readonly string[] {
  const found = names(pointer).reduce<Nested | undefined>(
    (inside, name) => inside?.properties?.[name] ?? inside?.items,
    schema as Nested,
  )
  return Object.keys(found?.properties ?? {})
}

interface Nested {
  readonly properties?: Readonly<Record<string, Nested>>
  readonly items?: Nested
}

type Keyword = TLocalizedValidationError['keyword']

const hints: { readonly [K in Keyword]?: (params: Fault<K>['params']) => string } = {
  minimum: ({ limit }) => `Use at least ${limit}.`,
  maximum: ({ limit }) => `Use at most ${limit}.`,
  minLength: () => 'Give it a value, or leave it out if it is optional.',
  maxLength: ({ limit }) => `Use at most ${limit} characters.`,
  enum: ({ allowedValues }) => `Use one of: ${allowedValues.map(String).join(', ')}.`,
  const: ({ allowedValue }) => `Use ${String(allowedValue)}, the only allowed value.`,
  type: ({ type }) => (type === 'integer' ? 'Use a whole number.' : `Use a JSON ${String(type)}.`),
}

function hintFor<K extends Keyword>({ keyword, params }: { keyword: K; params: Fault<K>['params'] }): string {
  return hints[keyword]?.(params) ?? 'The schema is in the OpenAPI document, /api/v1/openapi.json.'
}

const depth = ({ instancePath }: TLocalizedValidationError): number => instancePath.split('/').length

/** The names in a JSON pointer (RFC 6901). */
const names = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))

/** The usual notation of a place in a value: `env.A`, `args.1`, and `jobs[3].cores` where the elements of a list are objects. */
function fieldName(path: readonly string[], value: unknown): string {
  let text = ''
  let inside = value
  for (const name of path) {
    const isElement = Array.isArray(inside)
    inside = (inside as Record<string, unknown> | null | undefined)?.[name]
    const isObject = typeof inside === 'object' && inside !== null
    text += isElement && isObject ? `[${name}]` : text === '' ? name : `.${name}`
  }
  return text
}

/** The value at a pointer, shortened for a message. */
function shownAt(value: unknown, pointer: string): string {
  const found = names(pointer).reduce<unknown>(
    (inside, name) => (inside as Record<string, unknown> | null | undefined)?.[name],
    value,
  )
  if (typeof found === 'string') return shown(found)
  const text = JSON.stringify(found) ?? 'nothing'
  return text.length <= 80 ? text : `${text.slice(0, 76)}…`
}

/** The known word with the smallest edit distance, if that distance is small. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, changes: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(
      ({ candidate, changes }) =>
        changes <= (word.length > 4 ? 3 : 1) || candidate.toLowerCase().startsWith(word.toLowerCase().slice(0, 4)),
    )
    .toSorted((a, b) => a.changes - b.changes)
  return best?.candidate
}

/** Edit distance: letters to insert, delete, replace or swap with their neighbour. */
function distance(one: string, other: string): number {
  if (one.length > 64 || other.length > 64) return 64
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          (row[j - 1] ?? 0) + 1,
          at(i - 1, j - 1) + same,
          swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
  }
  return at(one.length, other.length)
}
