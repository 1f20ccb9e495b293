import { execFile } from 'node:child_process'
import { constants, openSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { promisify } from 'node:util'
import { ifThere } from '../../../lib/files.ts'

/** A named pipe in which supervisors tell whose stage has changed. */
export interface Hints {
  close(): Promise<void>
}

/**
 * Listens to the pipe at `path`, made when it is not there. A pipe costs a supervisor one write, where a file to be watched would have to be
 * made and removed. What is told while nobody listens is not kept.
 */
export async function openHints(path: string, onHint: (attemptId: string) => void): Promise<Hints> {
  if ((await ifThere(stat(path))) === undefined) await promisify(execFile)('mkfifo', ['-m', '600', path])
  // Open for writing too, so that it does not end when the last supervisor closes it.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const socket = new Socket({ fd, readable: true, writable: false }) // which closes it
  socket.unref()
  let rest = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const attemptId of lines) onHint(attemptId)
  })
  return {
    close: () =>
      new Promise((resolve) => {
        socket.once('close', () => {
          resolve()
        })
        socket.destroy()
      }),
  }
}
