import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fullImageReference } from './image-reference.ts'

const cases: [string, string][] = [
  ['skaha/astroml', 'images.canfar.net/skaha/astroml:latest'],
  ['skaha/astroml:24.07', 'images.canfar.net/skaha/astroml:24.07'],
  ['images.canfar.net/skaha/astroml', 'images.canfar.net/skaha/astroml:latest'],
  ['images.canfar.net/skaha/astroml@sha256:00', 'images.canfar.net/skaha/astroml@sha256:00'],
  ['localhost:5000/me/img:1', 'localhost:5000/me/img:1'],
  ['localhost/source-extractor:1', 'localhost/source-extractor:1'],
  ['localhost/astro/source-extractor:1', 'localhost/astro/source-extractor:1'],
  ['localhost:5000/img', 'localhost:5000/img:latest'],
  ['ubuntu:22.04', 'ubuntu:22.04'],
]
for (const [given, full] of cases)
  test(`${given} means ${full}`, () => {
    assert.equal(fullImageReference(given), full)
  })
