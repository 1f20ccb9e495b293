import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TSchema } from 'typebox'
import { FileConfig } from './schema.ts'

const file = new URL('../../../../charts/science-platform/values.schema.json', import.meta.url)

type Json = Readonly<Record<string, unknown>>

/** The schema of what a site writes: without defaults, and a key with a default may be left out. Pure. */
function written(schema: Json): Json {
  const { default: _, required, properties, ...rest } = schema
  if (properties === undefined) return rest
  const parts = properties as Readonly<Record<string, Json>>
  const needed = ((required ?? []) as readonly string[]).filter((key) => parts[key]?.['default'] === undefined)
  return {
    ...rest,
    ...(needed.length === 0 ? {} : { required: needed }),
    properties: Object.fromEntries(Object.entries(parts).map(([key, part]) => [key, written(part)])),
  }
}

/** The chart merges its own keys over those of the site, so that none is required. */
function schemaOfConfig(): Json {
  const schema = JSON.parse(JSON.stringify(FileConfig satisfies TSchema)) as {
    readonly properties: Readonly<Record<string, Json>>
  }
  const { required: _, ...kubernetes } = schema.properties['kubernetes'] ?? {}
  const { required: __, ...config } = written({ ...schema, properties: { ...schema.properties, kubernetes } })
  return config
}

test('Helm refuses in config: what the server refuses (UPDATE_CHART=1 writes values.schema.json)', () => {
  const values = JSON.parse(readFileSync(file, 'utf8')) as { properties: { config: unknown } }
  if (process.env['UPDATE_CHART'] === '1') {
    values.properties.config = schemaOfConfig()
    writeFileSync(file, JSON.stringify(values, null, 2) + '\n')
  }
  assert.deepEqual(values.properties.config, schemaOfConfig())
})
