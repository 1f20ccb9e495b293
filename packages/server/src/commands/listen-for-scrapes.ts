import { createServer } from 'node:http'
import type { Address } from '../configuration/config.ts'
import { listen } from './listen.ts'
import type { Metrics } from '../metrics/metrics.ts'

/** Answers `GET /metrics` without a token on a separate address. Returns a function that stops it. */
export async function listenForScrapes(metrics: Metrics, address: Address): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('This address answers only GET /metrics.\n')
      return
    }
    metrics.text().then(
      (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
      () => response.writeHead(500, { 'content-type': 'text/plain' }).end('the metrics could not be read\n'),
    )
  })
  return listen(server, address)
}
