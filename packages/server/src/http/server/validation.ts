import type { FastifySchemaCompiler, FastifyTypeProvider } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { InvalidRequest } from '../../job/invalid.ts'
import { schemaFault, type RequestPart } from './schema-fault.ts'

/** Lets Fastify infer the types of handlers from TypeBox schemas. */
export interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

const parts: Readonly<Record<string, RequestPart>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'header',
}

type Result = { readonly value: unknown } | { readonly error: InvalidRequest }

/**
 * Compiles the schema of a part of a request. Bodies are strict: values are neither converted nor dropped.
 * Other parts arrive as text: numbers and booleans are parsed, and defaults are filled in.
 */
export const compileSchema: FastifySchemaCompiler<TSchema> = ({ schema, httpPart = 'body' }) => {
  const validator = Compile(schema)
  const part = parts[httpPart] ?? 'body'
  const properties = (schema as { properties?: Readonly<Record<string, TSchema>> }).properties ?? {}
  return (data: unknown): Result => {
    const value = part === 'body' ? data : validator.Default(readText(data, properties))
    if (validator.Check(value)) return { value }
    return { error: schemaFault(validator.Errors(value), concealed(value, properties), part, schema) }
  }
}

/** A value without its `writeOnly` properties, which neither an answer nor a log may contain, even when they are invalid. */
function concealed(value: unknown, properties: Readonly<Record<string, TSchema>>): unknown {
  const secret = Object.keys(properties).filter(
    (key) => (properties[key] as { writeOnly?: boolean }).writeOnly === true,
  )
  if (secret.length === 0) return value
  const hidden = 'what is not shown'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return hidden
  const given = secret.filter((key) => Object.hasOwn(value, key))
  return { ...value, ...Object.fromEntries(given.map((key) => [key, hidden])) }
}

/** Parses texts into the types of the schema where possible. Other texts stay unchanged and fail the validation. */
function readText(data: unknown, properties: Readonly<Record<string, TSchema>>): unknown {
  if (typeof data !== 'object' || data === null) return data
  return Object.fromEntries(
    Object.entries(data as Record<string, unknown>).map(([key, value]) => {
      const type = Object.hasOwn(properties, key) ? (properties[key] as { type?: string }).type : undefined
      return [key, typeof value === 'string' ? readScalar(value, type) : value]
    }),
  )
}

/** A number as JSON writes it (RFC 8259, section 6). */
const numeral = /^-?\d{1,15}(\.\d{1,40})?(e[+-]?\d{1,3})?$/i

function readScalar(text: string, type: string | undefined): unknown {
  if ((type === 'integer' || type === 'number') && numeral.test(text)) return Number(text)
  if (type === 'boolean' && /^(1|true|)$/i.test(text)) return true
  if (type === 'boolean' && /^(0|false)$/i.test(text)) return false
  return text
}
