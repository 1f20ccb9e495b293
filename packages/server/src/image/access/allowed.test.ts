import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { imageSource, isAllowed, notAllowedMessage, type ImagePolicy } from './allowed.ts'
import { parseReference, type ImageReference } from '../../job/image-reference.ts'

const policy: ImagePolicy = {
  registries: ['images.canfar.net', 'other.example/project'],
  aliases: { 'images.canfar.net': '127.0.0.1:5000', 'deep.example': 'mirror.example/cache' },
  insecure: ['127.0.0.1:5000'],
}
const reference = (text: string): ImageReference => {
  const result = parseReference(text)
  if ('fault' in result) assert.fail(result.fault)
  return result
}

describe('the image policy', () => {
  it('allows its registries, its projects and the local store, and no name that only begins alike', () => {
    const table = {
      'images.canfar.net/skaha/a:1': true,
      'localhost/a:1': true,
      'other.example/project/a:1': true,
      'other.example/projects/a:1': false,
      'images.canfar.net.evil.example/a:1': false,
      'images.canfar.net:5000/a:1': false,
      'localhost:5000/a:1': false,
    }
    for (const [text, allowed] of Object.entries(table)) assert.equal(isAllowed(reference(text), policy), allowed, text)
  })

  it('says what the wire contract says', () => {
    const message = "session image 'x.y/a' must come from one of [images.canfar.net, other.example/project]"
    assert.equal(notAllowedMessage('x.y/a', policy), message)
    const nowhere = { registries: [], aliases: {}, insecure: [] }
    assert.equal(notAllowedMessage('x.y/a', nowhere), "session image 'x.y/a' must come from one of [localhost]")
  })

  it('names the alias of a registry as the source', () => {
    const from = (text: string) => imageSource(reference(text), policy)
    assert.deepEqual(from('images.canfar.net/skaha/a:1'), {
      registry: '127.0.0.1:5000',
      path: 'skaha/a',
      plainHttp: true,
    })
    assert.deepEqual(from('deep.example/a:1'), { registry: 'mirror.example', path: 'cache/a', plainHttp: false })
    assert.deepEqual(from('other.example/p/a:1'), { registry: 'other.example', path: 'p/a', plainHttp: false })
  })
})
