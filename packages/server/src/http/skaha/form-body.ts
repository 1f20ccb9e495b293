import type { FastifyInstance, FastifyRequest } from 'fastify'
import { WireError } from './wire-error.ts'

/** The fields of a form. */
export type FormFields = readonly (readonly [string, string])[]

/**
 * Parses the forms of the wire, urlencoded or multipart. Other bodies are accepted and ignored: clients send parameters in
 * the address together with any Content-Type (wire contract 1.2).
 */
export function readForms(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request: unknown, body: string, done: (error: null, fields: FormFields) => void) => {
      done(null, [...new URLSearchParams(body)])
    },
  )
  app.addContentTypeParser(
    'multipart/form-data',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => multipartFields(body, request.headers['content-type'] ?? ''),
  )
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer' },
    (_request: unknown, _body: unknown, done: (error: null, fields: FormFields) => void) => {
      done(null, [])
    },
  )
}

/** The text fields of a multipart form (RFC 7578); files in it are ignored. */
async function multipartFields(body: Buffer, contentType: string): Promise<FormFields> {
  try {
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData()
    return [...form].flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : []))
  } catch (error) {
    throw new WireError(400, `the multipart form cannot be read: ${(error as Error).message}`)
  }
}
