import type { FastifyInstance } from 'fastify'
import { Problem } from './problem.ts'
import { headLimit } from './request-limits.ts'

/** Refuses requests with an oversized head: 414 where the address is too long, else 431. */
export function limitHeads(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { url = '', rawHeaders } = request.raw
    let bytes = url.length
    for (const text of rawHeaders) bytes += text.length
    if (bytes <= headLimit) done()
    else done(url.length > headLimit / 2 ? addressTooLong() : headersTooLarge())
  })
}

const hint = 'Send parameters in the body, and put data into a file under /arc.'

const addressTooLong = (): Problem =>
  new Problem('address-too-long', `The address and headers have more than ${headLimit} bytes.`, { hint })

const headersTooLarge = (): Problem =>
  new Problem('headers-too-large', `The headers have more than ${headLimit} bytes.`, { hint })
