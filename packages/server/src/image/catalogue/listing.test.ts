import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { listedRegistry } from './listed-registry.ts'
import { listImages } from './listing.ts'

const digest = `sha256:${'a'.repeat(64)}`
const signal = AbortSignal.timeout(1_200_000)
const types = new Map([[digest, ['headless']]])

describe('a listing', () => {
  let server: Server
  let host: string
  let answer: RequestListener = (_, response) => response.end()
  let requests = 0
  before(async () => {
    server = createServer((request, response) => {
      requests += 1
      answer(request, response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  const list = (mostImages: number) => {
    requests = 0
    const listed = listedRegistry(host, { registries: [host], aliases: {}, insecure: [host] })
    return listImages(listed, { knownTypes: types, signal, mostImages })
  }

  it('stops at its limit in the midst of a repository with too many tags', async () => {
    answer = ({ url = '' }, response) => {
      if (url.startsWith('/v2/_catalog')) response.end('{"repositories":["a"]}')
      else if (url.startsWith('/v2/a/tags')) {
        response.end(JSON.stringify({ tags: Array.from({ length: 500 }, (_, i) => `t${i}`) }))
      } else if (url.startsWith('/v2/a/manifests')) {
        response.writeHead(200, { 'docker-content-digest': digest })
        response.end()
      } else response.writeHead(404).end()
    }
    assert.equal((await list(20)).length, 20)
    assert.equal(requests, 23)
  })

  it('of a registry whose catalog links from page to page without an end stops, too', async () => {
    let page = 0
    answer = ({ url = '' }, response) => {
      if (!url.startsWith('/v2/_catalog')) return response.writeHead(404).end()
      page += 1
      response.writeHead(200, { link: `</v2/_catalog?page=${page}>; rel="next"` })
      return response.end('{"repositories":[]}')
    }
    assert.deepEqual(await list(20), [])
    assert.equal(requests, 1001)
  })
})
