import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { processorMs } from '../lib/processor-time.ts'
import { isLocal, parseReference, printReference, type ImageReference, type ReferenceFault } from './image-reference.ts'

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

const read = (text: string): ImageReference => {
  const result = parseReference(text)
  if ('fault' in result) assert.fail(`${text}: ${result.fault}`)
  return result
}
const refused = (text: string): ReferenceFault => {
  const result = parseReference(text)
  if (!('fault' in result)) assert.fail(`${text} was read as ${JSON.stringify(result)}`)
  return result
}

describe('a reference', () => {
  it('is parsed into its parts', () => {
    assert.deepEqual(read('images.canfar.net/skaha/astroml:24.07'), {
      registry: 'images.canfar.net',
      path: 'skaha/astroml',
      tag: '24.07',
    })
    assert.deepEqual(read(`127.0.0.1:5000/a@${digest}`), { registry: '127.0.0.1:5000', path: 'a', digest })
    assert.deepEqual(read(`[::1]:5000/a/b:c@${digest}`), { registry: '[::1]:5000', path: 'a/b', tag: 'c', digest })
  })

  it('without tag and digest means latest', () => {
    assert.equal(printReference(read('images.canfar.net/skaha/astroml')), 'images.canfar.net/skaha/astroml:latest')
  })

  it('under localhost is local, but not under localhost with a port', () => {
    assert.equal(isLocal(read('localhost/astro/source-extractor:1')), true)
    assert.equal(isLocal(read('localhost:5000/astro/source-extractor:1')), false)
  })

  it('is refused when invalid, with the fault and a hint', () => {
    const table: readonly (readonly [string, RegExp, RegExp])[] = [
      ['', /does not say which registry/, /localhost\/name:tag/],
      ['ubuntu:22.04', /does not say which registry/, /host\/project\/name:tag/],
      ['skaha/astroml:1', /does not say which registry/, /host/],
      ['a.b/', /no name after the registry/, /name/],
      ['a.b/C/d:1', /bad part 'C'/, /write 'c'/],
      ['a.b/c//d', /bad part ''/, /lower-case/],
      ['a.b/../etc', /bad part '\.\.'/, /lower-case/],
      ['a.b/c:', /bad tag ''/, /1 to 128/],
      ['a.b/c:-x', /bad tag '-x'/, /does not start with/],
      ['a.b/c:d:e', /bad tag 'd:e'/, /1 to 128/],
      ['a.b/c@sha256:12', /digest that is not/, /Copy the digest/],
      ['docker://a.b/c:1', /begins with docker:\/\/$/, /^Leave docker:\/\/ out: 'a\.b\/c:1'\. /],
      ['https://a.b/c', /begins with https:\/\//, /Leave https:\/\/ out: 'a\.b\/c'/],
      ['oci-archive:a.b/c', /begins with oci-archive:$/, /Leave oci-archive: out/],
      ['Docker://a.b/c', /begins with Docker:/, /Leave Docker:\/\/ out/],
      ['a.b:99999/c', /registry 'a\.b:99999'/, /host/],
      ['-a.b/c', /registry '-a\.b'/, /host/],
      ['a.b/c d', /bad part 'c d'/, /lower-case/],
      ['a.b/c\u0000', /bad part 'c\\u0000'/, /lower-case/],
      [`a.b/${'x'.repeat(256)}`, /path of 256 characters/, /255/],
    ]
    for (const [text, fault, hint] of table) {
      assert.match(refused(text).fault, fault, text)
      assert.match(refused(text).hint, hint, text)
    }
  })

  it('never becomes an option of a tool, nor a path outside a folder', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('a', 'b', '.', '/', ':', '@', '-', '_', ' ', 'A', '1', '\n', '\0', 'é'),
          maxLength: 30,
        }),
        (text) => {
          const result = parseReference(text)
          if ('fault' in result) return
          assert.doesNotMatch(printReference(result), /^-|\.\.\/|\/\/|\s|[^\x21-\x7e]/)
        },
      ),
    )
  })

  it('parses to the same value after printing', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?$/)
    const reference = fc
      .record({
        registry: fc.stringMatching(/^[a-z0-9]{1,8}\.[a-z]{2,5}(:[1-9][0-9]{1,3})?$/),
        parts: fc.array(part, { minLength: 1, maxLength: 4 }),
        tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/), { nil: undefined }),
        digest: fc.option(fc.constant(digest), { nil: undefined }),
      })
      .filter(({ tag, digest }) => tag !== undefined || digest !== undefined)
    fc.assert(
      fc.property(reference, ({ registry, parts, tag, digest }) => {
        const made = {
          registry,
          path: parts.join('/'),
          ...(tag !== undefined && { tag }),
          ...(digest !== undefined && { digest }),
        }
        assert.deepEqual(parseReference(printReference(made)), made)
      }),
    )
  })

  it('is parsed in time proportional to its length', () => {
    const taken = processorMs(() => {
      for (const text of [`a.b/${'a-'.repeat(50_000)}`, `${'a-'.repeat(50_000)}.b/c`, `a.b/${'a__'.repeat(80)}!`])
        refused(text)
    })
    assert.ok(taken < 1_000, `${taken} ms`)
  })
})
