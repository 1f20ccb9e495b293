import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { handles, killIfThere } from './processes.ts'

const status = (caught: string): string => `Name:\tsh\nSigIgn:\tffffffffffffffff\nSigCgt:\t${caught}\nCapInh:\t0\n`

test('a process handles the signals of SigCgt', () => {
  assert.equal(handles(status('0000000000000200'), 'USR1'), true)
  assert.equal(handles(status('0000000000000200'), 'USR2'), false)
  assert.equal(handles(status('fffffffffffffdff'), 'USR1'), false)
  assert.equal(handles(status('0000000000004003'), 'TERM'), true)
  assert.equal(handles(status('0000000000000001'), 'HUP'), true)
  assert.equal(handles('Name:\tkthreadd\n', 'USR1'), false)
})

test('a process that is gone gets no signal', async () => {
  const child = spawn('true')
  await once(child, 'exit')
  assert.equal(killIfThere(child.pid ?? 0, 'SIGUSR1'), false)
})
