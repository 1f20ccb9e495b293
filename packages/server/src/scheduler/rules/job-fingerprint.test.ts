import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobFingerprint } from './job-fingerprint.ts'

const of = (...cmd: string[]) => jobFingerprint({ owner: 'ada', image: 'images.canfar.net/skaha/astroml:24.07', cmd })

test('the program counts, behind an interpreter the script, and no data', () => {
  assert.equal(of('/opt/reduce', '--night', '20261123'), of('reduce', '--night', '20261124'))
  assert.equal(of('python3.12', '-u', '/arc/reduce.py', '42'), of('python3.12', '/arc/reduce.py', '43'))
  assert.notEqual(of('python3.12', '/arc/reduce.py'), of('python3.12', '/arc/other.py'))
  assert.equal(of('sh', '-c', 'sleep 5; cp a7 b'), of('sh', '-c', 'sleep 60; cp a8 b'))
  assert.notEqual(of('sh', '-c', 'sleep 5'), of('sh', '-c', 'true'))
  assert.notEqual(of('python', '-V'), of())
})

test('nothing of the command can be read from it', () => {
  assert.match(of('sh', '-c', 'mysecret'), /^[A-Za-z0-9_-]{22}$/)
})

test('another tag is the same image, another registry is not', () => {
  const image = (image: string) => jobFingerprint({ owner: 'ada', image, cmd: ['x'] })
  assert.equal(image('h:5000/a/b:1'), image('h:5000/a/b@sha256:0'))
  assert.equal(image('h:5000/a/b'), image('h:5000/a/b:2'))
  assert.notEqual(image('h:5000/a/b'), image('i:5000/a/b'))
})
